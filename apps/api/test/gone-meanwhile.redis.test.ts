/** A task that goes while somebody waits for it, reads it, or repeats the request that made it. */
import { TaskStore } from '@millrace/queue/task-store';
import request from 'supertest';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { useRedis } from '../../../test/fixtures/redis.js';
import { all, workOff } from '../../../test/fixtures/worked-off.js';
import { type Harness, startHarness } from './harness.js';
import { submitRows } from './numbered-rows.js';

const redis = useRedis();
const keys = redis.freshKeys();
let harness: Harness;

beforeAll(async () => {
  harness = await startHarness(redis.url, keys);
});
afterAll(() => harness.stop());

const get = (id: string) => request(harness.app).get(`/batch-result/${id}`);
const retry = (id: string) => request(harness.app).post(`/batch-result/${id}/retry`);

describe('who waits for a task', () => {
  it.each(['', '?after=0'])('that is erased meanwhile hears so (%s)', async (query) => {
    const id = await submitRows(harness, 3);
    const isReading = await watchReads(id, 1);
    const waiting = get(id + query)
      .set('prefer', 'wait=20')
      .then((answer) => answer);
    await isReading.done;
    await harness.store.erase(id);
    const { status, body } = await waiting;
    expect([status, body.code]).toEqual([410, 'task_erased']);
  });
});

describe('results that went before their time', () => {
  it('are gone for an API whose clock is behind, too', async () => {
    const id = await submitRows(harness, 3);
    await workOff(harness.store, id, all('predicted'));
    const ahead = new TaskStore(redis.redis, keys, undefined, () => Date.now() + 3_000);
    await ahead.expireResults(id);
    expect((await get(id).expect(410)).body.code).toBe('result_expired');
  });
});

describe('a key whose task was lost after it was answered', () => {
  const submit = (key: string) =>
    request(harness.app)
      .post('/batch-predict?model=iris')
      .set('idempotency-key', key)
      .send([[5.1, 3.5, 1.4, 0.2]]);

  it.each(['received-again', 'given-up'])('makes a new task, the old one being %s', async (how) => {
    const { task_id: id } = (await submit(how).expect(202)).body;
    // Another node of the cluster has its place, which has not heard of the seal.
    await redis.redis.hset(keys.task(id), { status: 'receiving', run_id: 'of another server' });
    await redis.redis.hdel(keys.task(id), 'sealed');
    if (how === 'given-up') await harness.store.abort(id, 'its process fell silent');
    expect((await get(id).expect(410)).body.code).toBe('task_lost');
    const again = await submit(how).expect(202);
    expect(again.body.task_id).not.toBe(id);
    expect(again.body.status).toBe('pending');
  });
});

describe('a retry', () => {
  it('of which Redis has lost a chunk is not accepted by whoever asks next, but replaced', async () => {
    const id = await submitRows(harness, 25);
    await workOff(harness.store, id, all('timeout'));
    const lost = (await retry(id).expect(202)).body.task_id;
    // As it is when its process ends between link and seal, and Redis has forgotten the last chunk.
    await redis.redis.hset(keys.task(lost), { status: 'receiving', chunks: 2, total: 20, pending: 20 });
    await redis.redis.hdel(keys.task(lost), 'sealed');
    await redis.redis.hdel(keys.chunks(lost), '2');
    const { body } = await retry(id).expect(202);
    expect(body.task_id).not.toBe(lost);
    expect(body.rows.total).toBe(25);
  });

  it('is the last of sixteen, whichever of the chain is asked for it', async () => {
    const id = await submitRows(harness, 1);
    await workOff(harness.store, id, all('timeout'));
    const first = (await retry(id).expect(202)).body.task_id;
    await workOff(harness.store, first, all('timeout'));
    for (let count = 2; count <= 16; count++) {
      await workOff(harness.store, (await retry(first).expect(202)).body.task_id, all('timeout'));
    }
    expect((await retry(first).expect(409)).body.code).toBe('too_many_retries');
    expect((await get(id).expect(200)).body.retries).toHaveLength(16);
  });
});

/** `done` when the record of a task has been read so often: a waiter listens before it reads it for the second time. */
async function watchReads(id: string, times: number): Promise<{ done: Promise<void> }> {
  const monitor = await redis.redis.monitor();
  let seen = 0;
  const done = new Promise<void>((resolve) => {
    monitor.on('monitor', (_time: string, [command = '', key]: string[]) => {
      if (command.toLowerCase() === 'hgetall' && key === keys.task(id) && ++seen === times) resolve();
    });
  });
  return { done: done.then(() => monitor.disconnect()) };
}
