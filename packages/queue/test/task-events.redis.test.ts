import { connectForRequests, connectForWork, type RedisConnection } from '@millrace/queue/connection';
import { FinishedEvents } from '@millrace/queue/finished-events';
import type { Keys } from '@millrace/queue/keys';
import { ProgressEvents } from '@millrace/queue/progress-events';
import { TaskStore } from '@millrace/queue/task-store';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { useRedis } from '../../../test/fixtures/redis.js';

const redis = useRedis();
/** Longer than a test may take: what resolves has heard an event. */
const FOR_EVER_MS = 1_000_000;
const TASK = {
  id: 'task-1',
  client: 'alice',
  model: 'iris@1',
  fingerprint: 'f1',
  format: 'ndjson' as const,
  pool: 'default',
  requestId: 'request-1',
};

let keys: Keys;
let connection: RedisConnection;
let listener: RedisConnection;
let store: TaskStore;
let finished: FinishedEvents;
let progress: ProgressEvents;
let over: AbortController;

beforeEach(async () => {
  keys = redis.freshKeys();
  connection = connectForRequests(redis.url);
  listener = connectForWork(redis.url);
  store = new TaskStore(connection, keys);
  finished = new FinishedEvents(listener, keys);
  progress = new ProgressEvents(listener, keys);
  await Promise.all([finished.start(), progress.start()]);
  over = new AbortController();
});
afterEach(() => {
  over.abort();
  for (const each of [connection, listener]) each.disconnect();
});

const heard = (events: FinishedEvents | ProgressEvents, id = TASK.id) =>
  events.wait(id, FOR_EVER_MS, over.signal);
const commit = (chunk: number) =>
  store.commit(TASK.id, chunk, { counts: { succeeded: 1, invalid: 0, failed: 0 }, segments: {} });

async function taskOf(chunks: number): Promise<void> {
  await store.create(TASK);
  for (let index = 0; index < chunks; index++) {
    await store.append(TASK.id, { index, firstRow: index, rows: 1, bytes: Buffer.from('…') });
  }
  await store.seal(TASK.id, chunks);
}

describe('progress', () => {
  it('is heard with every chunk that is committed, and with the end', async () => {
    await taskOf(2);
    for (const chunk of [1, 0]) {
      const event = heard(progress);
      await commit(chunk);
      await event;
    }
  });

  it.each([
    ['cancelled', () => store.end(TASK.id, 'cancelled')],
    ['erased', () => store.erase(TASK.id)],
  ])('is heard of a task that is %s', async (_, end) => {
    await taskOf(1);
    const event = heard(progress);
    await end();
    await event;
  });
});

it('the end is heard with the last chunk only, and of the task alone', async () => {
  await taskOf(2);
  const events: string[] = [];
  const others = heard(finished, 'task-2').then(() => events.push('another task'));
  const end = heard(finished).then(() => events.push('finished'));
  const first = heard(progress).then(() => events.push('progress'));
  await commit(0);
  await first;
  expect(events).toEqual(['progress']);
  await commit(1);
  await end;
  expect(events).toEqual(['progress', 'finished']);
  over.abort();
  await others;
});

it('the end of a task that has been read is heard, even if it came before the waiting began', async () => {
  await taskOf(1);
  const end = heard(finished);
  await commit(0);
  await end;
  await heard(finished);
});
