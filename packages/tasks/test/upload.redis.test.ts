import { BatchError } from '@millrace/batch/errors';
import { type Chunk, ChunkSplitter } from '@millrace/batch/split/chunk-splitter';
import type { ChunkJob } from '@millrace/queue/chunk-job';
import { connectForRequests, type RedisConnection } from '@millrace/queue/connection';
import type { Keys } from '@millrace/queue/keys';
import { readLoad } from '@millrace/queue/load';
import { memoryUse } from '@millrace/queue/memory';
import { Producer } from '@millrace/queue/producer';
import { TaskStore } from '@millrace/queue/task-store';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { useRedis } from '../../../test/fixtures/redis.js';
import { newTask } from '../../../test/fixtures/task.js';
import { Admission } from '../dist/admission.js';
import { Upload } from '../dist/upload.js';

const redis = useRedis();
const ID = 'task-1';
const TASK = newTask({ id: ID });
const PLENTY = { rows: 1e9, bytes: 1e9 };

let connection: RedisConnection;
let keys: Keys;
let store: TaskStore;
let producer: WatchedProducer;
let admission: Admission;
let upload: Upload;

/** The real producer; a test decides when it may go on, and sees in which order things happen. */
class WatchedProducer extends Producer {
  before: (job: ChunkJob) => Promise<void> = async () => {};

  override async add(pool: string, job: ChunkJob): Promise<void> {
    await this.before(job);
    await super.add(pool, job);
  }
}

beforeEach(() => {
  connection = connectForRequests(redis.url);
  keys = redis.freshKeys();
  store = new TaskStore(connection, keys);
  producer = new WatchedProducer(connection, keys, () => {});
  const room = {
    readLoad: () => readLoad(connection, keys, store.index),
    memoryUse: () => memoryUse(connection),
  };
  admission = new Admission({ all: PLENTY, client: PLENTY, stallMs: 1_000 }, room);
  upload = new Upload({ store, producer, admission }, TASK, { pool: 'default', max_rows: 20 });
});
afterEach(async () => {
  await producer.stop();
  connection.disconnect();
});

const chunk = (index: number): Chunk => ({
  index,
  firstRow: index,
  rows: 1,
  bytes: Buffer.from(`[${index}]\n`),
});
const keysOfTask = async () => (await redis.keysUnder(keys.prefix)).filter((key) => key.includes(ID));
const jobs = async () => (await producer.depth('default')).waiting;

it('puts a chunk into the queue only when its bytes are stored', async () => {
  const stored: number[] = [];
  producer.before = async ({ chunk: index }) => {
    stored.push(await redis.redis.exists(keys.input(ID, index)));
  };
  for (let index = 0; index < 10; index++) await upload.add(chunk(index));
  await upload.finish();
  expect(stored).toEqual(Array(10).fill(1));
});

it('is not accepted before every chunk is in the queue', async () => {
  let letGo = () => {};
  const held = new Promise<void>((resolve) => {
    letGo = resolve;
  });
  producer.before = () => held;
  await upload.add(chunk(0));
  const finished = upload.finish();
  const first = await Promise.race([
    finished.then(() => 'accepted'),
    store.read(ID).then((task) => task?.status),
  ]);
  expect(first).toBe('receiving');
  letGo();
  expect(await finished).toMatchObject({ status: 'pending', chunks: 1 });
  expect(await jobs()).toBe(1);
});

it('fails with what storing met, and its undoing leaves nothing', async () => {
  producer.before = async ({ chunk: index }) => {
    if (index === 2) throw new Error('the queue is full');
  };
  for (let index = 0; index < 3; index++) await upload.add(chunk(index));
  const error = await upload.finish().catch((thrown) => thrown);
  expect(error.message).toBe('the queue is full');
  await upload.undo(error);
  expect(await keysOfTask()).toEqual([]);
  expect(await jobs()).toBe(0);
});

it('whose client went away leaves its failed record alone', async () => {
  for (let index = 0; index < 3; index++) await upload.add(chunk(index));
  await upload.undo(new BatchError('upload_aborted', 'the client went away'));
  expect(await keysOfTask()).toEqual([keys.task(ID)]);
  expect(await store.read(ID)).toMatchObject({ status: 'failed', ledger: { total: 3, failed: 3 } });
  expect(await jobs()).toBe(0);
});

it('whose task is ended under it leaves its record alone', async () => {
  await upload.add(chunk(0));
  while ((await jobs()) === 0);
  await store.end(ID, 'cancelled');
  await upload.add(chunk(1));
  const error = await upload.finish().catch((thrown) => thrown);
  expect(error).toMatchObject({ code: 'task_ended' });
  await upload.undo(error);
  expect(await keysOfTask()).toEqual([keys.task(ID)]);
  expect(await store.read(ID)).toMatchObject({ status: 'cancelled' });
  expect(await jobs()).toBe(0);
});

it('without a row is no batch', async () => {
  await upload.add({ ...chunk(0), rows: 0 });
  await expect(upload.finish()).rejects.toMatchObject({ code: 'empty_batch' });
  expect(await redis.keysUnder(keys.prefix)).not.toContain(keys.task(ID));
});

it('of more rows than the model allows is refused, and its undoing leaves nothing', async () => {
  await upload.add({ ...chunk(0), rows: 20 });
  const error = await upload.add(chunk(1)).catch((thrown) => thrown);
  expect(error).toMatchObject({
    code: 'too_many_rows',
    message: 'a task of this model may have at most 20 rows',
    details: { limit_rows: 20 },
  });
  await upload.undo(error);
  expect(await keysOfTask()).toEqual([]);
  expect(await jobs()).toBe(0);
});

it('is not accepted when somebody has given it up just before the last step', async () => {
  await upload.add(chunk(0));
  const finished = upload.finish(() => store.abort(ID, 'the process fell silent'));
  await expect(finished).rejects.toMatchObject({ code: 'upload_interrupted' });
  expect(await store.read(ID)).toMatchObject({ status: 'failed' });
});

it('that was confirmed is not undone: it may be sealed and given out', async () => {
  const lossy = new LossyStore(connection, keys);
  upload = new Upload({ store: lossy, producer, admission }, TASK, { pool: 'default' });
  await upload.add(chunk(0));
  const error = await upload.finish(async () => {}).catch((thrown) => thrown);
  await upload.undo(error);
  expect(await store.read(ID)).toMatchObject({ status: 'pending', chunks: 1 });
  expect(await jobs()).toBe(1);
});

describe('of rows that come whole, in one chunk', () => {
  const rows = (count: number) => [Buffer.from('[1]\n'.repeat(count))];
  const splitter = () =>
    new ChunkSplitter({ format: 'ndjson', maxRows: 3, maxBytes: 1_000, maxRecordBytes: 100 });

  it('is accepted in one step, and then queued', async () => {
    const steps: unknown[] = [];
    producer.before = async () => void steps.push((await store.read(ID))?.status);
    await upload.addAll(rows(2), splitter());
    expect(await store.read(ID)).toBeUndefined();
    expect(await upload.finish()).toMatchObject({ status: 'pending', chunks: 1, ledger: { total: 2 } });
    expect(steps).toEqual(['pending']);
    expect(await jobs()).toBe(1);
  });

  it('is not accepted before it is confirmed', async () => {
    const steps: unknown[] = [];
    await upload.addAll(rows(2), splitter());
    const task = await upload.finish(async () => void steps.push((await store.read(ID))?.status));
    expect(steps).toEqual(['receiving']);
    expect(task).toMatchObject({ status: 'pending', chunks: 1 });
    expect(await jobs()).toBe(1);
  });

  it('leaves nothing when it cannot be queued', async () => {
    producer.before = () => Promise.reject(new Error('Command timed out'));
    await upload.addAll(rows(2), splitter());
    const error = await upload.finish().catch((thrown) => thrown);
    expect(error.message).toBe('Command timed out');
    await upload.undo(error);
    expect(await keysOfTask()).toEqual([]);
    expect(await jobs()).toBe(0);
  });

  it('has no more rows than a task may have, and not none', async () => {
    await expect(upload.addAll(rows(21), splitter())).rejects.toMatchObject({ code: 'too_many_rows' });
    const empty = new Upload({ store, producer, admission }, TASK, { pool: 'default' });
    await empty.addAll([Buffer.from('\n\n')], splitter());
    await expect(empty.finish()).rejects.toMatchObject({ code: 'empty_batch' });
  });
});

/** The real store, of which one reply is lost. */
class LossyStore extends TaskStore {
  override async seal(id: string, chunks: number): Promise<never> {
    await super.seal(id, chunks);
    throw new Error('Command timed out');
  }
}
