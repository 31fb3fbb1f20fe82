import type { ChunkResult } from '@millrace/batch/results/encode-chunk';
import { connectForRequests, type RedisConnection } from '@millrace/queue/connection';
import type { Keys } from '@millrace/queue/keys';
import { type NewTask, TaskStore } from '@millrace/queue/task-store';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { useRedis } from '../../../test/fixtures/redis.js';
import { newTask } from '../../../test/fixtures/task.js';

const redis = useRedis();
const NOW = Date.now();
const LIFETIMES = { leaseMs: 5_000, unfinishedMs: 100_000, resultsMs: 20_000, recordMs: 30_000 };
const TASK = newTask({ client: 'alice' });
const PINS = ['iris@1 f1'];
const ROWS = 3;

let connection: RedisConnection;
let keys: Keys;
let store: TaskStore;

beforeAll(async () => {
  connection = connectForRequests(redis.url);
  await connection.connect();
});
afterAll(() => connection.disconnect());
beforeEach(() => {
  keys = redis.freshKeys();
  store = new TaskStore(connection, keys, LIFETIMES, () => NOW);
});

const chunk = (index: number) => ({ index, firstRow: index * ROWS, rows: ROWS, bytes: Buffer.from('…') });
const RESULT: ChunkResult = {
  counts: { succeeded: ROWS, invalid: 0, failed: 0 },
  segments: { predictions: Buffer.from('1,1,1'), lines: Buffer.from('…') },
};
const read = async () => (await store.read(TASK.id)) ?? { status: 'gone', ledger: {} };

/** Chunk 0 is done, 1 is running, 2 is pending. */
async function underWay(change: Partial<NewTask> = {}): Promise<void> {
  await store.create({ ...TASK, ...change });
  for (const index of [0, 1, 2]) await store.append(TASK.id, chunk(index));
  await store.seal(TASK.id, 3);
  await store.begin(TASK.id, 0, PINS);
  await store.commit(TASK.id, 0, RESULT);
  await store.begin(TASK.id, 1, PINS);
}

/** Redis's own clock is beyond the deadline from now on. */
const letExpire = () => connection.hset(keys.task(TASK.id), 'deadline_at', NOW - 60_000);

describe('cancelling', () => {
  it('ends the task at once: what is done stays, the rest is cancelled and its bytes are kept for a retry', async () => {
    await underWay();
    expect(await store.end(TASK.id, 'cancelled')).toBe('halted');
    expect(await read()).toMatchObject({
      status: 'cancelled',
      ledger: { total: 9, succeeded: 3, cancelled: 6, pending: 0, running: 0 },
      finishedAt: NOW,
      expiresAt: NOW + LIFETIMES.resultsMs,
    });
    const inputs = (await redis.keysUnder(keys.prefix)).filter((key) => key.includes(':in:'));
    expect(inputs).toEqual([1, 2].map((index) => keys.input(TASK.id, index)));
    for (const key of inputs) expect(await connection.pttl(key)).toBeLessThanOrEqual(LIFETIMES.resultsMs);
    expect(Buffer.from((await store.readInput(TASK.id, 1)) ?? []).toString()).toBe('…');
    expect(await store.readSegments(TASK.id, 0, ['predictions'])).toBeDefined();
    expect(await store.readSpan(TASK.id, 1)).toEqual({ state: 'cancelled', firstRow: 3, rows: 3 });
  });

  it('refuses what comes late: the result of a chunk that was running, more rows, a second end', async () => {
    await underWay();
    await store.end(TASK.id, 'cancelled');
    const before = await read();
    expect(await store.commit(TASK.id, 1, RESULT)).toEqual({ kind: 'gone' });
    expect(await store.begin(TASK.id, 2, PINS)).toEqual({ kind: 'gone' });
    expect(await store.append(TASK.id, chunk(3))).toBe('stopped');
    await store.release(TASK.id, 1);
    expect(await store.end(TASK.id, 'cancelled')).toBe('ended');
    expect(await read()).toEqual(before);
    expect(await connection.exists(keys.output(TASK.id, 1))).toBe(0);
  });

  it('keeps the first rows as examples, however many chunks there are', async () => {
    await store.create(TASK);
    // Beyond so many entries Redis gives a hash out in no order.
    for (let index = 0; index < 600; index++) await store.append(TASK.id, chunk(index));
    await store.end(TASK.id, 'cancelled');
    const examples = (await store.readExamples(TASK.id, ['cancelled'])).get('cancelled');
    expect(examples?.map(({ row }) => row)).toEqual([0, 1, 2]);
    expect(await read()).toMatchObject({ errorCounts: { cancelled: 1800 } });
  });

  it('ends a task that an earlier release has recorded, which counted no bytes', async () => {
    await underWay();
    await connection.hdel(keys.task(TASK.id), 'input_bytes', 'result_bytes');
    expect(await store.end(TASK.id, 'cancelled')).toBe('halted');
    expect(await read()).toMatchObject({ status: 'cancelled', ledger: { cancelled: 6, succeeded: 3 } });
  });

  it('of a finished task changes nothing', async () => {
    await store.create(TASK);
    await store.append(TASK.id, chunk(0));
    await store.seal(TASK.id, 1);
    await store.commit(TASK.id, 0, RESULT);
    const before = await read();
    expect(await store.end(TASK.id, 'cancelled')).toBe('ended');
    expect(await read()).toEqual(before);
  });

  it('of a task that is not there says so', async () => {
    expect(await store.end('nobody', 'cancelled')).toBe('gone');
    expect(await redis.keysUnder(keys.prefix)).toEqual([]);
  });

  it('in mid-upload stops the upload', async () => {
    await store.create(TASK);
    await store.append(TASK.id, chunk(0));
    await store.end(TASK.id, 'cancelled');
    expect(await store.append(TASK.id, chunk(1))).toBe('stopped');
    await store.seal(TASK.id, 1);
    expect(await read()).toMatchObject({ status: 'cancelled', ledger: { total: 3, cancelled: 3 } });
  });

  it('is published, once', async () => {
    await underWay();
    const listener = redis.redis.duplicate();
    await listener.subscribe(keys.finished());
    const heard: string[] = [];
    listener.on('message', (_channel, id) => heard.push(id));
    await store.end(TASK.id, 'cancelled');
    await store.end(TASK.id, 'cancelled');
    await store.erase(TASK.id);
    // The listener's own echo comes after everything that was published before it.
    const echoed = new Promise((resolve) => listener.on('message', (_, id) => id === 'echo' && resolve(id)));
    await connection.publish(keys.finished(), 'echo');
    await echoed;
    listener.disconnect();
    expect(heard).toEqual([TASK.id, 'echo']);
  });
});

describe('a deadline', () => {
  it('is a time by the clock of Redis', async () => {
    await store.create({ ...TASK, expiresInMs: 5_000 });
    const [seconds] = await connection.time();
    const { deadlineAt = 0 } = (await store.read(TASK.id)) ?? {};
    expect(Math.abs(deadlineAt - Number(seconds) * 1000 - 5_000)).toBeLessThan(3_000);
  });

  it('that has not passed ends nothing', async () => {
    await underWay({ expiresInMs: 100_000 });
    expect(await store.end(TASK.id, 'expired')).toBe('early');
    expect(await read()).toMatchObject({
      status: 'running',
      ledger: { succeeded: 3, running: 3, pending: 3 },
    });
  });

  const expired = { status: 'expired', ledger: { succeeded: 3, expired: 6, pending: 0, running: 0 } };

  it.each<[string, () => Promise<unknown>, unknown]>([
    ['a chunk that is begun', () => store.begin(TASK.id, 2, PINS), { kind: 'gone' }],
    ['a result that is committed', () => store.commit(TASK.id, 1, RESULT), { kind: 'gone' }],
    ['a poll', async () => (await read()).status, 'expired'],
  ])('that has passed ends the task with %s, which is not computed', async (_, step, answer) => {
    await underWay({ expiresInMs: 100_000 });
    await letExpire();
    expect(await step()).toEqual(answer);
    expect(await read()).toMatchObject(expired);
    expect(await connection.exists(keys.output(TASK.id, 1))).toBe(0);
  });

  it('that passes after the last commit changes nothing', async () => {
    await underWay({ expiresInMs: 100_000 });
    await store.commit(TASK.id, 1, RESULT);
    await store.commit(TASK.id, 2, RESULT);
    await letExpire();
    expect(await read()).toMatchObject({ status: 'succeeded', ledger: { succeeded: 9 } });
  });
});

describe('erasing', () => {
  it.each(['under way', 'finished', 'cancelled'])(
    'removes every byte of a task that is %s',
    async (state) => {
      await underWay();
      if (state === 'finished') for (const index of [1, 2]) await store.commit(TASK.id, index, RESULT);
      if (state === 'cancelled') await store.end(TASK.id, 'cancelled');
      await store.erase(TASK.id);
      expect(await redis.keysUnder(keys.prefix)).toEqual([keys.task(TASK.id)]);
      expect(await read()).toMatchObject({
        status: state === 'finished' ? 'succeeded' : 'cancelled',
        erasedAt: NOW,
      });
      expect(await connection.pttl(keys.task(TASK.id))).toBeLessThanOrEqual(LIFETIMES.recordMs);
    },
  );

  it('refuses what comes late', async () => {
    await underWay();
    await store.erase(TASK.id);
    expect(await store.commit(TASK.id, 1, RESULT)).toEqual({ kind: 'gone' });
    expect(await store.append(TASK.id, chunk(3))).toBe('stopped');
    await store.erase(TASK.id);
    expect(await redis.keysUnder(keys.prefix)).toEqual([keys.task(TASK.id)]);
  });

  it('finds what was stored out of order when the task was ended in mid-upload', async () => {
    await store.create(TASK);
    await store.append(TASK.id, chunk(1));
    await store.end(TASK.id, 'cancelled');
    expect(await connection.pttl(keys.input(TASK.id, 1))).toBeLessThanOrEqual(LIFETIMES.resultsMs);
    await store.erase(TASK.id);
    expect(await redis.keysUnder(keys.prefix)).toEqual([keys.task(TASK.id)]);
  });

  it('of a task that is not there leaves nothing', async () => {
    await store.erase('nobody');
    expect(await redis.keysUnder(keys.prefix)).toEqual([]);
  });
});
