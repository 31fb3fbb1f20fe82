import { groupErrors } from '@millrace/batch/results/error-groups';
import { connectForRequests, type RedisConnection } from '@millrace/queue/connection';
import type { Keys } from '@millrace/queue/keys';
import { RetryStore } from '@millrace/queue/retry-store';
import { type NewTask, TaskStore } from '@millrace/queue/task-store';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { useRedis } from '../../../test/fixtures/redis.js';

const redis = useRedis();
const LIFETIMES = { leaseMs: 5_000, unfinishedMs: 100_000, resultsMs: 20_000, recordMs: 30_000 };
const TASK: NewTask = {
  id: 'task-1',
  client: 'alice',
  model: 'iris@1',
  fingerprint: 'f1',
  format: 'csv',
  columns: [1, 'id', [2, 0]],
  pool: 'default',
  requestId: 'request-1',
};

let connection: RedisConnection;
let keys: Keys;
let store: TaskStore;
let retries: RetryStore;

beforeAll(async () => {
  connection = connectForRequests(redis.url);
  await connection.connect();
});
afterAll(() => connection.disconnect());
beforeEach(async () => {
  keys = redis.freshKeys();
  store = new TaskStore(connection, keys, LIFETIMES);
  retries = new RetryStore(connection, keys);
  await store.create(TASK);
  for (const index of [0, 1]) {
    await store.append(TASK.id, { index, firstRow: index, rows: 1, bytes: Buffer.from(`row ${index}`) });
  }
  await store.seal(TASK.id, 2);
});

const failed = {
  counts: { succeeded: 0, invalid: 0, failed: 1 },
  errorGroups: groupErrors([{ row: 0, code: 'timeout', message: 'no answer' }]),
  segments: {},
};
const succeeded = { counts: { succeeded: 1, invalid: 0, failed: 0 }, segments: {} };

describe('the bytes of a chunk', () => {
  it('stay as long as the results when a row of it failed, and go with its commit when none did', async () => {
    await store.commit(TASK.id, 0, failed);
    await store.commit(TASK.id, 1, succeeded);
    expect(Buffer.from((await store.readInput(TASK.id, 0)) ?? []).toString()).toBe('row 0');
    expect(await store.readInput(TASK.id, 1)).toBeUndefined();
    const ttl = await connection.pttl(keys.input(TASK.id, 0));
    expect(ttl).toBeGreaterThan(0);
    expect(ttl).toBeLessThanOrEqual(LIFETIMES.resultsMs);
  });

  it('are erased with the task', async () => {
    await store.commit(TASK.id, 0, failed);
    await store.end(TASK.id, 'cancelled');
    await store.erase(TASK.id);
    expect(await redis.keysUnder(keys.prefix)).toEqual([keys.task(TASK.id)]);
  });
});

describe('the link of a task to its retry', () => {
  it('is set once: whoever comes later gets the first', async () => {
    const links = await Promise.all(['a', 'b', 'c'].map((retry) => retries.link(TASK.id, retry)));
    expect(new Set(links)).toEqual(new Set(['a']));
    expect(await store.read(TASK.id)).toMatchObject({ retriedBy: 'a', columns: TASK.columns });
  });

  it('is the same when it is set again', async () => {
    expect([await retries.link(TASK.id, 'a'), await retries.link(TASK.id, 'a')]).toEqual(['a', 'a']);
  });

  it('replaces the one that came to nothing, and no other', async () => {
    await retries.link(TASK.id, 'a');
    expect(await retries.link(TASK.id, 'b', 'a')).toBe('b');
    expect(await retries.link(TASK.id, 'c', 'a')).toBe('b');
  });

  it('is refused when the task was erased, or is gone', async () => {
    await store.erase(TASK.id);
    expect(await retries.link(TASK.id, 'a')).toBeUndefined();
    expect(await retries.link('nobody', 'a')).toBeUndefined();
    expect(await redis.keysUnder(keys.prefix)).toEqual([keys.task(TASK.id)]);
  });
});

describe('a note of the rows before a chunk', () => {
  it('goes with the results', async () => {
    expect(await retries.note(TASK.id, 1, 7)).toBe(true);
    expect(await retries.rowsBefore(TASK.id, 1)).toBe(7);
    await store.erase(TASK.id);
    expect(await retries.rowsBefore(TASK.id, 1)).toBeUndefined();
    expect(await retries.note(TASK.id, 1, 7)).toBe(false);
    expect(await redis.keysUnder(keys.prefix)).toEqual([keys.task(TASK.id)]);
  });
});
