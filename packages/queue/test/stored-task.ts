/** A task of chunks of three rows in a store of its own, and what a worker makes of its chunks. */
import type { RowError } from '@millrace/batch/errors';
import type { ChunkResult } from '@millrace/batch/results/encode-chunk';
import { groupErrors } from '@millrace/batch/results/error-groups';
import type { Chunk } from '@millrace/batch/split/chunk-splitter';
import type { Task } from '@millrace/batch/task';
import { connectForRequests, type RedisConnection } from '@millrace/queue/connection';
import type { Keys, Lifetimes } from '@millrace/queue/keys';
import { TaskStore } from '@millrace/queue/task-store';
import { afterAll, beforeAll } from 'vitest';
import type { RedisFixture } from '../../../test/fixtures/redis.js';
import { newTask } from '../../../test/fixtures/task.js';

export const LIFETIMES: Lifetimes = {
  leaseMs: 5_000,
  unfinishedMs: 60_000,
  resultsMs: 30_000,
  recordMs: 90_000,
};
/** By the clock of the store. */
export const NOW = 1_800_000_000_000;
export const TASK = newTask({ client: 'alice' });
/** What the worker serves. */
export const SERVED = ['roses@1 f1', 'iris@1 f1'];
export const ROWS = 3;

/** To be called at the top of a test file; makes a store under keys that nobody else uses. */
export function useTaskStore(redis: RedisFixture): () => { keys: Keys; store: TaskStore } {
  let connection: RedisConnection;
  beforeAll(async () => {
    connection = connectForRequests(redis.url);
    await connection.connect();
  });
  afterAll(() => connection.disconnect());
  return () => {
    const keys = redis.freshKeys();
    return { keys, store: new TaskStore(connection, keys, LIFETIMES, () => NOW) };
  };
}

export async function submitTask(store: TaskStore, chunks: number): Promise<void> {
  await store.create(TASK);
  for (let index = 0; index < chunks; index++) await store.append(TASK.id, chunkOf(index));
  await store.seal(TASK.id, chunks);
}

export async function readTask(store: TaskStore): Promise<Task> {
  const task = await store.read(TASK.id);
  if (task === undefined) throw new Error('the task is gone');
  return task;
}

export function chunkOf(index: number, text = `chunk ${index}`): Chunk {
  return { index, firstRow: index * ROWS, rows: ROWS, bytes: Buffer.from(text) };
}

/** Of a chunk whose last rows are wrong. */
export function resultOf(index: number, succeeded = ROWS): ChunkResult {
  const errors = Array.from({ length: ROWS - succeeded }, (_, place) => errorOf(index * ROWS + place));
  return {
    counts: { succeeded, invalid: ROWS - succeeded, failed: 0 },
    errorGroups: groupErrors(errors),
    segments: {
      predictions: Buffer.from(`${index},${index},${index}`),
      lines: Buffer.from(`lines ${index}`),
    },
  };
}

const CODES: RowError['code'][] = ['wrong_type', 'out_of_range'];

/** An error with every kind of member, whose texts a script could take for something else. */
export function errorOf(row: number): RowError {
  return {
    row,
    id: row % 3 === 0 ? `a "\n${row}` : 9_007_199_254_740_991 - row,
    code: CODES[row % 2] as RowError['code'],
    message: `%d 12 \u0000 of row ${row}`,
  };
}
