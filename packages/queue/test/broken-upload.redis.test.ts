import type { Keys } from '@millrace/queue/keys';
import type { TaskStore } from '@millrace/queue/task-store';
import { beforeEach, describe, expect, it } from 'vitest';
import { useRedis } from '../../../test/fixtures/redis.js';
import {
  chunkOf,
  LIFETIMES,
  readTask,
  resultOf,
  SERVED,
  submitTask,
  TASK,
  useTaskStore,
} from './stored-task.js';

const redis = useRedis();
const freshStore = useTaskStore(redis);
let keys: Keys;
let store: TaskStore;

beforeEach(() => {
  ({ keys, store } = freshStore());
});

const submitted = (chunks: number) => submitTask(store, chunks);
const read = () => readTask(store);

describe('an upload that broke off', () => {
  it('leaves a failed record and nothing else, even of what was predicted', async () => {
    await store.create(TASK);
    await store.append(TASK.id, chunkOf(0));
    await store.append(TASK.id, chunkOf(1));
    await store.commit(TASK.id, 0, resultOf(0));
    await store.begin(TASK.id, 1, SERVED);
    await store.abort(TASK.id, 'the client went away');
    expect(await read()).toMatchObject({
      status: 'failed',
      ledger: { total: 6, failed: 6 },
      error: { code: 'upload_aborted', message: 'the client went away' },
    });
    expect(await redis.keysUnder(keys.prefix)).toEqual([keys.task(TASK.id)]);
  });

  it.each(['abort', 'discard'] as const)('refuses what comes late after %s', async (how) => {
    await store.create(TASK);
    await store.append(TASK.id, chunkOf(0));
    await store.begin(TASK.id, 0, SERVED);
    if (how === 'abort') await store.abort(TASK.id, 'gone');
    else await store.discard(TASK.id);
    const keysAfter = await redis.keysUnder(keys.prefix);
    expect(await store.commit(TASK.id, 0, resultOf(0))).toEqual({ kind: 'gone' });
    expect(await store.begin(TASK.id, 0, SERVED)).toEqual({ kind: 'gone' });
    expect(await store.append(TASK.id, chunkOf(1))).toBe(how === 'abort' ? 'stopped' : 'gone');
    await store.release(TASK.id, 0);
    await store.seal(TASK.id, 1);
    expect(await redis.keysUnder(keys.prefix)).toEqual(keysAfter);
    expect(keysAfter.length).toBe(how === 'abort' ? 1 : 0);
  });

  it.each(['abort', 'discard', 'erase'] as const)(
    'has nothing left after %s, though an earlier chunk was refused and a later one stored',
    async (how) => {
      await store.create(TASK);
      await store.append(TASK.id, chunkOf(1));
      await store.append(TASK.id, chunkOf(3));
      await store.begin(TASK.id, 3, SERVED);
      await store.commit(TASK.id, 3, resultOf(3));
      if (how === 'abort') await store.abort(TASK.id, 'gone');
      else await store[how](TASK.id);
      const left = (await redis.keysUnder(keys.prefix)).filter((key) => key.includes(TASK.id));
      expect(left).toEqual(how === 'discard' ? [] : [keys.task(TASK.id)]);
    },
  );

  it('that is cancelled has a lifetime on the results of every chunk, whichever were stored', async () => {
    await store.create(TASK);
    await store.append(TASK.id, chunkOf(2));
    await store.begin(TASK.id, 2, SERVED);
    await store.commit(TASK.id, 2, resultOf(2));
    await store.end(TASK.id, 'cancelled');
    expect(await redis.redis.pttl(keys.output(TASK.id, 2))).toBeLessThanOrEqual(LIFETIMES.resultsMs);
  });

  it('cannot take back a task that was accepted', async () => {
    await submitted(1);
    await store.abort(TASK.id, 'late');
    expect(await read()).toMatchObject({ status: 'pending', ledger: { pending: 3 } });
  });
});
