import { connectForCache, connectForWork, type RedisConnection } from '@millrace/queue/connection';
import type { Keys, Lifetimes } from '@millrace/queue/keys';
import { packValues } from '@millrace/queue/packed-values';
import { PredictionCache } from '@millrace/queue/prediction-cache';
import { Producer } from '@millrace/queue/producer';
import { type Mend, Reaper } from '@millrace/queue/reaper';
import { ROW_KEY_BYTES } from '@millrace/queue/scripts/cache-scripts';
import { type NewTask, TaskStore } from '@millrace/queue/task-store';
import { Queue, UnrecoverableError, Worker } from 'bullmq';
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { useRedis } from '../../../test/fixtures/redis.js';

const redis = useRedis();
const LIFETIMES: Lifetimes = {
  leaseMs: 60_000,
  unfinishedMs: 600_000,
  resultsMs: 300_000,
  recordMs: 900_000,
};
const TASK: NewTask = {
  id: 'task-1',
  client: 'alice',
  model: 'iris@1',
  fingerprint: 'f',
  format: 'ndjson',
  pool: 'default',
  requestId: 'r',
};
const PINS = ['iris@1 f'];
const ROWS = 3;
const LONG_AGO = 1_700_000_000_000;

let connection: RedisConnection;
let keys: Keys;
let store: TaskStore;
let producer: Producer;
let mended: Mend[];
let expired: string[];
let failures: unknown[];
let cleanups: (() => Promise<unknown>)[];

beforeEach(() => {
  keys = redis.freshKeys();
  connection = connectForWork(redis.url);
  store = new TaskStore(connection, keys, LIFETIMES);
  producer = new Producer(connection, keys, () => {});
  mended = [];
  expired = [];
  failures = [];
  cleanups = [() => producer.stop(), () => connection.quit()];
});
afterEach(async () => {
  for (const cleanup of cleanups) await cleanup();
  expect(failures).toEqual([]);
});

function newReaper(maxResultBytes = 0): Reaper {
  const reaper = new Reaper({
    redis: connection,
    keys,
    store,
    id: 'reaper',
    intervalMs: 60_000,
    maxResultBytes,
    onMend: (what) => mended.push(what),
    onExpire: (task) => expired.push(task),
    onError: (error) => failures.push(error),
  });
  cleanups.unshift(() => reaper.stop());
  return reaper;
}

/** Turns until every key of the server has been looked at. */
async function reapAll(reaper = newReaper()): Promise<void> {
  const turns = Math.ceil((await redis.redis.dbsize()) / 100) + 2;
  for (let turn = 0; turn < turns; turn++) await reaper.reap();
}

const chunk = (index: number) => ({
  index,
  firstRow: index * ROWS,
  rows: ROWS,
  bytes: Buffer.from('[1]\n[2]\n[3]\n'),
});
const RESULT = { counts: { succeeded: ROWS, invalid: 0, failed: 0 }, segments: { lines: Buffer.alloc(100) } };

/** As an upload does it. */
async function stored(chunks: number, task = TASK): Promise<void> {
  await store.create(task);
  for (let index = 0; index < chunks; index++) {
    await store.append(task.id, chunk(index));
    await producer.add('default', { task: task.id, chunk: index });
  }
}
async function submitted(chunks: number, task = TASK): Promise<void> {
  await stored(chunks, task);
  await store.seal(task.id, chunks);
  await age(task.id);
}
/** As it is when the lease of an upload has passed. */
const age = (id: string) => redis.redis.zadd(keys.unfinished(), 'XX', LONG_AGO, id);
async function finished(id: string): Promise<void> {
  await submitted(1, { ...TASK, id });
  await store.begin(id, 0, PINS);
  expect(await store.commit(id, 0, RESULT)).toMatchObject({ kind: 'finished' });
  await producer.removeOne('default', { task: id, chunk: 0 });
}
const waiting = async () =>
  (await producer.waiting('default', 0, 100)).map((job) => `${job.task}.${job.chunk}`);
const isIndexed = async (id: string) => (await redis.redis.zscore(keys.unfinished(), id)) !== null;

describe('mends nothing of', () => {
  it('a task at any of its steps', async () => {
    const reaper = newReaper();
    await store.create(TASK);
    await reapAll(reaper);
    await store.append(TASK.id, chunk(0));
    await reapAll(reaper);
    await producer.add('default', { task: TASK.id, chunk: 0 });
    await reapAll(reaper);
    await store.seal(TASK.id, 1);
    await reapAll(reaper);
    await store.begin(TASK.id, 0, PINS);
    await reapAll(reaper);
    await store.commit(TASK.id, 0, RESULT);
    await producer.removeOne('default', { task: TASK.id, chunk: 0 });
    await reapAll(reaper);
    expect(mended).toEqual([]);
    expect(await store.read(TASK.id)).toMatchObject({ status: 'succeeded' });
  });

  it('a task that came whole and is about to be queued', async () => {
    await store.createWhole(TASK, chunk(0));
    await reapAll();
    expect([mended, await waiting()]).toEqual([[], []]);
  });

  it('a chunk whose job waits, runs, or is delayed', async () => {
    await submitted(3);
    const worker = new Worker('default', undefined, { connection, prefix: keys.queuePrefix });
    cleanups.unshift(() => worker.close());
    expect(await worker.getNextJob('token')).toMatchObject({ data: { chunk: 0 } });
    const delayed = await worker.getNextJob('token');
    await delayed?.moveToDelayed(Date.now() + 60_000, 'token');
    await reapAll();
    expect(mended).toEqual([]);
    expect(await producer.depth('default')).toEqual({ waiting: 1, active: 1, delayed: 1 });
  });
});

describe('an upload', () => {
  it('whose lease has run out is aborted, with its jobs', async () => {
    await stored(2);
    await redis.redis.hset(keys.task(TASK.id), 'lease_until', LONG_AGO);
    await reapAll();
    expect(mended).toEqual(['upload']);
    expect(await store.read(TASK.id)).toMatchObject({ status: 'failed', error: { code: 'upload_aborted' } });
    expect(await waiting()).toEqual([]);
    expect((await redis.keysUnder(keys.prefix)).filter((key) => key.includes(TASK.id))).toEqual([
      keys.task(TASK.id),
    ]);
    expect(await isIndexed(TASK.id)).toBe(false);
  });

  it('that has renewed its lease goes on', async () => {
    await stored(2);
    await redis.redis.hset(keys.task(TASK.id), 'lease_until', LONG_AGO);
    await store.renew(TASK.id);
    await reapAll();
    expect(mended).toEqual([]);
    expect(await store.seal(TASK.id, 2)).toMatchObject({ status: 'pending' });
  });

  it('that was sealed is not aborted, whatever its lease', async () => {
    await submitted(1);
    await redis.redis.hset(keys.task(TASK.id), 'lease_until', LONG_AGO);
    await reapAll();
    expect(mended).toEqual([]);
    await store.renew(TASK.id);
    expect(await redis.redis.hget(keys.task(TASK.id), 'lease_until')).toBe(String(LONG_AGO));
  });
});

describe('a chunk', () => {
  it('whose job is lost is put into the queue again', async () => {
    await submitted(3);
    await producer.removeOne('default', { task: TASK.id, chunk: 1 });
    await reapAll();
    expect(mended).toEqual(['chunk']);
    expect((await waiting()).sort()).toEqual(['task-1.0', 'task-1.1', 'task-1.2']);
  });

  it('of a task that came whole is queued when whoever recorded it has not done so', async () => {
    await store.createWhole(TASK, chunk(0));
    await age(TASK.id);
    await reapAll();
    expect([mended, await waiting()]).toEqual([['chunk'], ['task-1.0']]);
  });

  it('whose job BullMQ has given up is put into the queue again', async () => {
    await submitted(1);
    const queue = new Queue('default', { connection, prefix: keys.queuePrefix });
    const worker = new Worker('default', undefined, { connection, prefix: keys.queuePrefix });
    cleanups.unshift(
      () => worker.close(),
      () => queue.close(),
    );
    const job = await worker.getNextJob('token');
    await job?.moveToFailed(new UnrecoverableError('given up'), 'token');
    expect(await queue.getFailedCount()).toBe(1);
    await reapAll();
    expect(mended).toEqual(['chunk']);
    expect(await queue.getFailedCount()).toBe(0);
    expect(await waiting()).toEqual(['task-1.0']);
  });

  it('that is done is left alone', async () => {
    await submitted(2);
    await store.begin(TASK.id, 0, PINS);
    await store.commit(TASK.id, 0, RESULT);
    await producer.removeOne('default', { task: TASK.id, chunk: 0 });
    await reapAll();
    expect(mended).toEqual([]);
    expect(await waiting()).toEqual(['task-1.1']);
  });
});

it('a job whose task is gone, or ended long ago, is removed', async () => {
  await submitted(2);
  await submitted(1, { ...TASK, id: 'task-2' });
  await redis.redis.del(keys.task(TASK.id));
  await store.end('task-2', 'cancelled');
  await redis.redis.hset(keys.task('task-2'), 'finished_at', LONG_AGO);
  await reapAll();
  expect(mended).toEqual(['job', 'job']);
  expect(await waiting()).toEqual([]);
});

it('a task that the index has lost is found again', async () => {
  await submitted(1);
  await redis.redis.del(keys.unfinished());
  await redis.redis.hset(keys.task(TASK.id), 'created_at', LONG_AGO);
  await reapAll();
  expect(mended).toEqual(['index']);
  expect(await isIndexed(TASK.id)).toBe(true);
});

it('a key without a lifetime gets one', async () => {
  await submitted(1);
  await redis.redis.persist(keys.input(TASK.id, 0));
  await reapAll();
  expect(mended).toEqual(['lifetime']);
  expect(await redis.redis.pttl(keys.input(TASK.id, 0))).toBeGreaterThan(0);
});

it('the keys of others are left alone, whatever their names', async () => {
  const others = [
    `backup:${keys.prefix}:config`,
    `{${keys.prefix}-staging:queue}:default:id`,
    `x${keys.prefix}:a`,
  ];
  for (const key of others) await redis.redis.set(key, '1');
  await reapAll();
  expect(mended).toEqual([]);
  for (const key of others) expect(await redis.redis.pttl(key)).toBe(-1);
  await redis.redis.del(...others);
});

it('a task that cannot be read keeps nobody from the others', async () => {
  await submitted(1);
  await redis.redis.hset(keys.task(TASK.id), 'total', 'many');
  await submitted(1, { ...TASK, id: 'task-2' });
  await producer.removeOne('default', { task: 'task-2', chunk: 0 });
  const reaper = newReaper();
  await reapAll(reaper);
  expect(failures.length).toBeGreaterThan(0);
  expect(mended).toEqual(['chunk']);
  failures = [];
});

it('a task behind many chunks that wait gets its turn', async () => {
  for (let task = 0; task < 50; task++) await submitted(41, { ...TASK, id: `task-${task}` });
  await submitted(1, { ...TASK, id: 'victim' });
  await producer.removeOne('default', { task: 'victim', chunk: 0 });
  const reaper = newReaper();
  for (let turn = 0; turn < 4; turn++) await reaper.reap();
  expect(mended).toEqual(['chunk']);
  expect(await producer.withoutJob('default', 'victim', [0])).toEqual([]);
});

it('a task whose deadline has passed is expired though nobody asks for it', async () => {
  await submitted(1, { ...TASK, expiresInMs: 60_000 });
  await redis.redis.hset(keys.task(TASK.id), 'deadline_at', LONG_AGO);
  await reapAll();
  expect(await redis.redis.hget(keys.task(TASK.id), 'status')).toBe('expired');
  expect(mended).toEqual([]);
});

describe('results', () => {
  it('beyond the limit go before their time, the oldest first', async () => {
    const ids = ['task-1', 'task-2', 'task-3', 'task-4'];
    for (const [at, id] of ids.entries()) {
      await finished(id);
      await redis.redis.hincrby(keys.task(id), 'expires_at', at);
    }
    const reaper = newReaper(250);
    // They are noted as finished with the first turn.
    await reaper.reap();
    await reaper.reap();
    expect(expired).toEqual(['task-1', 'task-2']);
    expect(await store.index.resultBytes()).toBe(200);
    expect(await store.readSegments('task-1', 0)).toBeUndefined();
    expect((await store.read('task-1'))?.expiresAt).toBeLessThanOrEqual(Date.now());
    expect(await store.readSegments('task-3', 0)).toBeDefined();
    expect(mended).toEqual([]);
  });

  it('within the limit stay, and those that have expired or were erased are not counted', async () => {
    for (const id of ['task-1', 'task-2', 'task-3']) await finished(id);
    const reaper = newReaper(1_000);
    await reaper.reap();
    expect(await store.index.resultBytes()).toBe(300);
    await redis.redis.zadd(keys.results(), LONG_AGO, 'task-1');
    await store.erase('task-2');
    await reaper.reap();
    expect(expired).toEqual([]);
    expect(await store.index.resultBytes()).toBe(100);
  });
});

describe('in a Redis that is full', () => {
  /** Of so many bytes beside what the server itself needs. */
  async function fill(): Promise<void> {
    const used = Number(/^used_memory:(\d+)/m.exec(await redis.redis.info('memory'))?.[1]);
    await redis.redis.config('SET', 'maxmemory', used - 1_000);
  }
  afterEach(() => redis.redis.config('SET', 'maxmemory', 0));

  it('room is made by results that are too many, though a task is not yet noted as finished', async () => {
    for (const id of ['task-1', 'task-2', 'task-3']) {
      await finished(id);
      await store.settle(id);
    }
    await finished('unsettled');
    await fill();
    const reaper = newReaper(250);
    await reaper.reap();
    await reaper.reap();
    expect(expired).toHaveLength(2);
    expect(await store.index.resultBytes()).toBeLessThanOrEqual(250);
  });

  it('room is made by the oldest results, however small, where no limit is set', async () => {
    await redis.redis.setrange('ballast', 8 * 1024 * 1024, '.');
    await finished('task-1');
    await store.settle('task-1');
    await fill();
    await newReaper().reap();
    expect(expired).toEqual(['task-1']);
    await redis.redis.del('ballast');
  });

  it('room is made by caches before results, though nothing is kept for their model any more', async () => {
    const cache = new PredictionCache({ connect: () => connectForCache(redis.url), keys, onError: () => {} });
    onTestFinished(() => cache.stop());
    const rows = { keys: Buffer.alloc(ROW_KEY_BYTES), values: packValues([Buffer.alloc(8 * 1024 * 1024)]) };
    expect(await cache.store('old@1 f', { rows: 100, ttl_seconds: 3_600 }, [rows])).toBe(1);
    await finished('task-1');
    await store.settle('task-1');
    await fill();
    await newReaper().reap();
    expect(await cache.look('old@1 f', rows.keys)).toEqual([Buffer.alloc(4, 0xff)]);
    expect(expired).toEqual([]);
    expect(await store.readSegments('task-1', 0)).toBeDefined();
  });

  it('a task can be cancelled', async () => {
    await submitted(1);
    await fill();
    expect(await store.end(TASK.id, 'cancelled')).toBe('halted');
  });
});

it('is safe in many workers at once', async () => {
  await stored(2, { ...TASK, id: 'lapsed' });
  await redis.redis.hset(keys.task('lapsed'), 'lease_until', LONG_AGO);
  await submitted(20);
  for (let index = 0; index < 20; index++)
    await producer.removeOne('default', { task: TASK.id, chunk: index });
  await Promise.all(Array.from({ length: 5 }, () => reapAll(newReaper())));
  expect((await waiting()).length).toBe(20);
  expect(await store.read(TASK.id)).toMatchObject({ ledger: { total: 60, pending: 60 } });
  expect(mended.filter((what) => what === 'upload')).toEqual(['upload']);
});
