import type { ModelDescriptor } from '@millrace/batch/model';
import { Catalog } from '@millrace/queue/catalog';
import { CatalogPublisher, type ServedModels } from '@millrace/queue/catalog-publisher';
import { HEARTBEAT_TTL_MS, type Keys } from '@millrace/queue/keys';
import { beforeEach, describe, expect, it } from 'vitest';
import { irisDescriptor } from '../../../test/fixtures/iris.js';
import { useRedis } from '../../../test/fixtures/redis.js';

const redis = useRedis();
const IRIS = irisDescriptor(1e-6);
const IRIS_2 = { ...IRIS, version: 2 };
const ROSES = { ...IRIS, name: 'roses' };

let keys: Keys;
let now: number;
let catalog: Catalog;

beforeEach(() => {
  keys = redis.freshKeys();
  now = 1_800_000_000_000;
  catalog = new Catalog(redis.redis, keys, () => now);
});

const serving = (...served: ModelDescriptor[]): ServedModels => ({ served, refused: [], aliases: {} });
const aliases = (writtenAt: number, targets: Record<string, number>) => ({
  iris: { written_at: writtenAt, targets, problems: [] },
});
const worker = (id: string) => new CatalogPublisher(redis.redis, keys, id);

describe('the catalogue', () => {
  it('lists what workers publish, with the number of workers that serve it', async () => {
    await worker('a').beat(serving(IRIS, ROSES), now);
    await worker('b').beat(serving(IRIS_2, IRIS), now);
    const list = await catalog.list();
    expect(list.map(({ model, workers }) => [`${model.name}@${model.version}`, workers])).toEqual([
      ['iris@1', 2],
      ['iris@2', 1],
      ['roses@1', 1],
    ]);
    expect(list[0]?.model).toEqual(IRIS);
  });

  it('adds up the threads of the live workers that serve a version', async () => {
    await new CatalogPublisher(redis.redis, keys, 'a', 4).beat(serving(IRIS, ROSES), now);
    await new CatalogPublisher(redis.redis, keys, 'b', 2).beat(serving(IRIS), now);
    await new CatalogPublisher(redis.redis, keys, 'c', 8).beat(serving(IRIS), now);
    await redis.redis.pexpire(keys.worker('c'), 0);
    expect((await catalog.list()).map(({ threads }) => threads)).toEqual([6, 4]);
  });

  it('counts one thread for a worker that does not say', async () => {
    await worker('a').beat(serving(IRIS), now);
    const { threads, ...beat } = JSON.parse((await redis.redis.get(keys.worker('a'))) ?? '');
    await redis.redis.set(keys.worker('a'), JSON.stringify(beat), 'PX', HEARTBEAT_TTL_MS);
    expect(threads).toBe(1);
    expect((await catalog.list()).map((entry) => entry.threads)).toEqual([1]);
  });

  it.each([
    ['iris', 2],
    ['iris@1', 1],
    ['iris@2', 2],
  ])('resolves %s to version %i', async (ref, version) => {
    await worker('a').beat(serving(IRIS, IRIS_2), now);
    expect((await catalog.resolve(ref)).model.version).toBe(version);
  });

  it.each([
    ['irsi', 'no worker serves "irsi"; did you mean "iris"?'],
    ['iris@3', 'no worker serves "iris@3"; did you mean "iris@1"?'],
    ['iris@', 'no worker serves "iris@"; did you mean "iris"?'],
    ['daffodil', 'no worker serves "daffodil"'],
  ])('refuses %s by name', async (ref, message) => {
    await worker('a').beat(serving(IRIS, ROSES), now);
    await expect(catalog.resolve(ref)).rejects.toMatchObject({ code: 'unknown_model', message });
  });

  it('finds a version that was published a moment ago, though it has just looked', async () => {
    await worker('a').beat(serving(IRIS), now);
    await catalog.list();
    await worker('b').beat(serving(ROSES), now);
    expect((await catalog.resolve('roses')).model).toEqual(ROSES);
  });

  it('keeps offering a version whose last worker has left or fallen silent, and says that nobody serves it', async () => {
    await worker('a').beat(serving(IRIS), now);
    await worker('b').beat(serving(ROSES), now);
    await worker('a').leave();
    // What silence comes to: the key of its own has gone, the index still remembers it.
    expect(await redis.redis.pttl(keys.worker('b'))).toBeLessThanOrEqual(HEARTBEAT_TTL_MS);
    await redis.redis.pexpire(keys.worker('b'), 0);
    expect((await catalog.list()).map(({ workers }) => workers)).toEqual([0, 0]);
  });

  it('passes over a descriptor that it cannot read', async () => {
    await worker('a').beat(serving(IRIS, ROSES), now);
    await redis.redis.set(keys.model('roses@1'), '{"from":"the future"}');
    expect((await catalog.list()).map(({ model }) => model.name)).toEqual(['iris']);
  });

  it('has a lifetime on every key', async () => {
    await worker('a').beat({ ...serving(IRIS), aliases: aliases(1, { champion: 1 }) }, now);
    const all = await redis.keysUnder(keys.prefix);
    expect(all.length).toBe(5);
    for (const key of all) expect(await redis.redis.pttl(key), key).toBeGreaterThan(0);
  });
});

describe('a worker whose models change', () => {
  it('takes back what it has published and serves no more', async () => {
    const one = worker('a');
    await one.beat(serving(IRIS, IRIS_2), now);
    await one.beat(serving(IRIS), now);
    expect((await catalog.list()).map(({ model }) => model.version)).toEqual([1]);
  });

  it('counts as serving the version with its very files only', async () => {
    await worker('a').beat(serving({ ...IRIS, fingerprint: 'old' }), now);
    await worker('b').beat(serving({ ...IRIS, fingerprint: 'new' }), now);
    expect(await catalog.list()).toMatchObject([{ model: { fingerprint: 'new' }, workers: 1 }]);
  });
});

describe('an alias', () => {
  it('stands for what the live worker with the newest file says', async () => {
    await worker('a').beat({ ...serving(IRIS, IRIS_2), aliases: aliases(2_000, { champion: 2 }) }, now);
    await worker('b').beat({ ...serving(IRIS, IRIS_2), aliases: aliases(1_000, { champion: 1 }) }, now);
    expect((await catalog.resolve('iris@champion')).model.version).toBe(2);
    await worker('a').leave();
    now += 2_000;
    expect((await catalog.resolve('iris@champion')).model.version).toBe(1);
  });

  it('is remembered when the last worker has left', async () => {
    await worker('a').beat({ ...serving(IRIS, IRIS_2), aliases: aliases(1, { champion: 1 }) }, now);
    await worker('a').leave();
    expect(await catalog.resolve('iris@champion')).toMatchObject({ model: { version: 1 }, workers: 0 });
  });

  it('is remembered while a worker that has started has not yet looked at everything', async () => {
    await worker('a').beat({ ...serving(IRIS, IRIS_2), aliases: aliases(1, { champion: 1 }) }, now);
    await worker('a').leave();
    await worker('b').beat({ ...serving(IRIS, IRIS_2), isComplete: false }, now);
    expect((await catalog.resolve('iris@champion')).model.version).toBe(1);
    await worker('b').beat(serving(IRIS, IRIS_2), now);
    now += 2_000;
    await expect(catalog.resolve('iris@champion')).rejects.toMatchObject({ code: 'unknown_model' });
  });

  it.each([
    ['iris@champoin', 'no worker serves "iris@champoin"; did you mean "iris@champion"?'],
    ['iris@gone', 'no worker serves "iris@gone"'],
    ['iris@toString', 'no worker serves "iris@toString"'],
  ])('%s is refused by name', async (ref, message) => {
    const said = aliases(1, { champion: 1, gone: 7 });
    await worker('a').beat({ ...serving(IRIS), aliases: said }, now);
    await expect(catalog.resolve(ref)).rejects.toMatchObject({ code: 'unknown_model', message });
  });
});

describe('a version that a worker refuses', () => {
  const refused = [
    { name: 'iris', version: '3', reason: 'model.onnx is empty' },
    { name: 'tulips', version: '1', reason: 'model.onnx is not an ONNX file' },
  ];

  it('is shown with the reason, once however many workers say so', async () => {
    await worker('a').beat({ ...serving(IRIS), refused }, now);
    await worker('b').beat({ ...serving(IRIS), refused }, now);
    expect((await catalog.model('iris')).refused).toEqual([refused[0]]);
    expect(await catalog.model('tulips')).toMatchObject({ versions: [], refused: [refused[1]] });
  });

  it.each([
    ['iris@3', 'no worker serves "iris@3": model.onnx is empty'],
    ['tulips', 'no worker serves "tulips": model.onnx is not an ONNX file'],
  ])('is why %s is refused', async (ref, message) => {
    await worker('a').beat({ ...serving(IRIS), refused }, now);
    await expect(catalog.resolve(ref)).rejects.toMatchObject({ code: 'unknown_model', message });
  });

  it('does not stand in the way of the versions that are served', async () => {
    await worker('a').beat({ ...serving(IRIS), refused }, now);
    expect((await catalog.resolve('iris')).model.version).toBe(1);
  });
});

it('a version that was removed while no worker ran is not the highest any more once others are served', async () => {
  await worker('a').beat(serving(IRIS, IRIS_2), now);
  await worker('a').leave();
  expect((await catalog.resolve('iris')).model.version).toBe(2);
  await worker('b').beat(serving(IRIS), now);
  now += 2_000;
  expect((await catalog.resolve('iris')).model.version).toBe(1);
  expect(await catalog.resolve('iris@2')).toMatchObject({ workers: 0 });
});

it('a worker that has just started is ready once it has looked at all of its models', async () => {
  const ready = async () => {
    now += 2_000;
    return catalog.readyWorkers();
  };
  expect(await ready()).toBe(0);
  await worker('a').beat({ ...serving(IRIS), isComplete: false }, now);
  expect(await ready()).toBe(0);
  await worker('a').beat(serving(), now);
  expect(await ready()).toBe(0);
  await worker('a').beat(serving(IRIS), now);
  expect(await ready()).toBe(1);
  await worker('a').leave();
  expect(await ready()).toBe(0);
});
