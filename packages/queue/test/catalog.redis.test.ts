import type { ModelDescriptor } from '@millrace/batch/model';
import { Catalog, CatalogPublisher, type ServedModels } from '@millrace/queue/catalog';
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
    await worker('a').beat(serving(IRIS), now);
    const all = await redis.keysUnder(keys.prefix);
    expect(all.length).toBe(4);
    for (const key of all) expect(await redis.redis.pttl(key), key).toBeGreaterThan(0);
  });
});
