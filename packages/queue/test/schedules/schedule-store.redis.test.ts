import { readWatermark, SCHEDULES_MAX } from '@millrace/queue/schedules/schedule-store';
import { describe, expect, it } from 'vitest';
import { useRedis } from '../../../../test/fixtures/redis.js';
import { CLIENT, definitionOf, NAME, NOW, scheduleNow, useStores } from './stores.js';

const redis = useRedis();
const stores = useStores(redis);

type Change = Parameters<typeof definitionOf>[0];

const put = (mode: 'create' | 'replace' | number, change: Change = {}, client = CLIENT) =>
  stores.schedules.put({ definition: definitionOf(change), client }, mode);
const putFile = (fileAt: number, change: Change = {}, client = CLIENT) =>
  stores.schedules.put({ definition: definitionOf(change), client, fileAt }, 'replace');
const read = () => scheduleNow(stores);
const HOURLY: Change = { cron: '0 * * * *' };
const NOON: Change = { cron: '0 12 * * *' };

describe('a schedule of a request', () => {
  it('is created, read and listed', async () => {
    expect(await put('create')).toBe('created');
    expect(await read()).toEqual({
      definition: definitionOf(),
      client: CLIENT,
      origin: 'api',
      revision: 1,
      watermark: String(NOW),
      createdAt: NOW,
      updatedAt: NOW,
    });
    await put('create', { name: 'another' });
    expect(await stores.schedules.names()).toEqual(['another', NAME]);
    expect((await stores.schedules.list()).map(({ definition }) => definition.name)).toEqual([
      'another',
      NAME,
    ]);
  });

  it('is not created twice', async () => {
    await put('create');
    expect(await put('create', HOURLY)).toBe('exists');
    expect(await read()).toMatchObject({ revision: 1, definition: { cron: '30 2 * * *' } });
  });

  it('is created by one of many at once', async () => {
    const replies = await Promise.all([HOURLY, NOON, {}].map((change) => put('create', change)));
    expect(replies.sort()).toEqual(['created', 'exists', 'exists']);
    expect((await read()).revision).toBe(1);
  });

  it('is replaced, as another revision', async () => {
    await put('replace');
    stores.clock.now += 1_000;
    expect(await put('replace', HOURLY)).toBe('replaced');
    expect(await read()).toMatchObject({
      revision: 2,
      definition: { cron: '0 * * * *' },
      createdAt: NOW,
      updatedAt: NOW + 1_000,
    });
  });

  it('is the same when the same is put again, after a lost reply, for example', async () => {
    await put('create');
    stores.clock.now += 1_000;
    expect(await put('replace')).toBe('same');
    expect(await read()).toMatchObject({ revision: 1, updatedAt: NOW });
  });

  it('is changed by who has read the last revision', async () => {
    await put('create');
    expect(await put(1, HOURLY)).toBe('replaced');
    expect(await put(1, NOON)).toBe('changed');
    expect(await read()).toMatchObject({ revision: 2, definition: { cron: '0 * * * *' } });
  });

  it('that is gone is not changed', async () => {
    expect(await put(1)).toBe('changed');
    expect(await stores.schedules.read(NAME)).toBeUndefined();
  });

  it.each(['create', 'replace', 1] as const)('of another client is left alone (%s)', async (mode) => {
    await put('create');
    expect(await put(mode, { ...HOURLY, client: 'bob' }, 'bob')).toBe('exists');
    expect(await read()).toMatchObject({ revision: 1, client: CLIENT });
  });
});

describe('a schedule of a file', () => {
  it('wins over one of a request, whoever made it', async () => {
    await put('create', { client: 'bob' }, 'bob');
    expect(await putFile(5, HOURLY)).toBe('replaced');
    expect(await read()).toMatchObject({ origin: 'file', client: CLIENT, revision: 2 });
  });

  it.each(['replace', 1] as const)('is not changed by a request (%s)', async (mode) => {
    await putFile(5);
    expect(await put(mode, HOURLY)).toBe('from_file');
    expect(await put('create', HOURLY)).toBe('exists');
    expect(await stores.schedules.remove(NAME, CLIENT)).toBe('from_file');
    expect((await read()).revision).toBe(1);
  });

  it('is replaced by a file that was written later, and by no older one', async () => {
    await putFile(5);
    expect(await putFile(4, HOURLY)).toBe('older');
    expect(await putFile(6, NOON)).toBe('replaced');
    expect(await putFile(5, HOURLY)).toBe('older');
    expect((await read()).definition.cron).toBe('0 12 * * *');
  });

  it('that was written again with the same in it is the same, and counts as written then', async () => {
    await putFile(5);
    expect(await putFile(7)).toBe('same');
    expect(await putFile(6, HOURLY)).toBe('older');
  });

  it('is released when nobody has seen its file for a while, goes on with an older one, and is removed in the end', async () => {
    await putFile(5);
    expect(await stores.schedules.giveUpUnseen(NAME, NOW)).toBe('kept');
    stores.clock.now += 1_000;
    expect(await putFile(4)).toBe('older');
    expect(await stores.schedules.giveUpUnseen(NAME, NOW + 1)).toBe('released');
    expect(await putFile(4)).toBe('same');
    expect(readWatermark((await read()).watermark)).toEqual({ at: NOW });
    stores.clock.now += 1_000;
    expect(await stores.schedules.giveUpUnseen(NAME, NOW + 1_600)).toBe('removed');
    expect(await stores.schedules.list()).toEqual([]);
  });

  it('stays while there is a file that does not hold', async () => {
    await putFile(5);
    stores.clock.now += 1_000;
    await stores.schedules.noteSeen(NAME);
    expect(await stores.schedules.giveUpUnseen(NAME, NOW + 1_000)).toBe('kept');
  });

  it('is the only kind that is given up so', async () => {
    await put('create');
    stores.clock.now += 1_000;
    expect(await stores.schedules.giveUpUnseen(NAME, NOW + 600)).toBe('kept');
  });
});

describe('a removed schedule', () => {
  it('is gone, for its client only once', async () => {
    await put('create');
    expect(await stores.schedules.remove(NAME, 'bob')).toBe('gone');
    expect(await stores.schedules.remove(NAME, CLIENT)).toBe('removed');
    expect(await stores.schedules.remove(NAME, CLIENT)).toBe('gone');
    expect(await stores.schedules.read(NAME)).toBeUndefined();
    expect(await stores.schedules.progress(NAME)).toBeUndefined();
    expect(await stores.schedules.list()).toEqual([]);
  });

  it('makes the name free for another client', async () => {
    await put('create');
    await stores.schedules.remove(NAME, CLIENT);
    expect(await put('create', { client: 'bob' }, 'bob')).toBe('created');
    expect(await read()).toMatchObject({ client: 'bob', revision: 1 });
  });
});

describe('the watermark', () => {
  const watermark = async () => readWatermark((await read()).watermark);

  it('stays when the schedule is replaced or paused', async () => {
    await put('create');
    stores.clock.now += 1_000;
    await put('replace', { model: 'wine' });
    await put('replace', { enabled: false });
    expect(await watermark()).toEqual({ at: NOW });
  });

  it.each([HOURLY, { timezone: 'Asia/Kolkata' }])(
    'begins anew when the schedule is due at other times: what passed by the old ones is not due, %j',
    async (change) => {
      await put('create');
      stores.clock.now += 1_000;
      await put('replace', change);
      expect(await watermark()).toEqual({ at: NOW + 1_000 });
    },
  );

  it('begins anew when the schedule is resumed: what passed meanwhile is not due', async () => {
    await put('create', { enabled: false });
    stores.clock.now += 1_000;
    await put('replace', { enabled: true });
    expect(await watermark()).toEqual({ at: NOW + 1_000 });
  });

  it('is told with the revision', async () => {
    await put('create');
    expect(await stores.schedules.progress(NAME)).toEqual({ revision: 1, watermark: String(NOW) });
  });
});

describe('the names', () => {
  it('are bounded, and those that are there may still be replaced', async () => {
    await put('create');
    const others = Array.from({ length: SCHEDULES_MAX - 1 }, (_, index) => `other-${index}`);
    await stores.connection.sadd(stores.keys.schedules(), ...others);
    expect(await put('create', { name: 'one-more' })).toBe('full');
    expect(await put('replace', HOURLY)).toBe('replaced');
    expect(await stores.schedules.read('one-more')).toBeUndefined();
  });

  it('without a schedule are forgotten, and no others', async () => {
    await put('create');
    await stores.connection.sadd(stores.keys.schedules(), 'nobody');
    expect((await stores.schedules.list()).map(({ definition }) => definition.name)).toEqual([NAME]);
    for (const name of ['nobody', NAME]) await stores.schedules.forget(name);
    expect(await stores.schedules.names()).toEqual([NAME]);
  });

  it('have every schedule that is recorded, whoever forgets the name at that moment', async () => {
    for (let round = 0; round < 100; round++) {
      const name = `round-${round}`;
      const forgetting = Array.from({ length: round % 5 }, () => stores.schedules.forget(name));
      await Promise.all([put('create', { name }), ...forgetting, stores.schedules.forget(name)]);
      expect(await stores.schedules.names()).toContain(name);
    }
  });
});
