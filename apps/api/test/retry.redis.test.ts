import request from 'supertest';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { commandName } from '../../../test/fixtures/command-names.js';
import { IRIS_FINGERPRINT } from '../../../test/fixtures/iris.js';
import { useRedis } from '../../../test/fixtures/redis.js';
import { startRedisProxy } from '../../../test/fixtures/redis-proxy.js';
import { all, type OutcomeOf, workOff } from '../../../test/fixtures/worked-off.js';
import { type Harness, startHarness } from './harness.js';
import { submitRows } from './numbered-rows.js';

const redis = useRedis();
const keys = redis.freshKeys();
let harness: Harness;

beforeAll(async () => {
  harness = await startHarness(redis.url, keys);
});
afterAll(() => harness.stop());

const submitted = (rows: number, type?: string) => submitRows(harness, rows, type);
const work = (id: string, outcomeOf: OutcomeOf) => workOff(harness.store, id, outcomeOf);
const retry = (id: string, query = '', { app } = harness) =>
  request(app).post(`/batch-result/${id}/retry${query}`);
/** The id of the retry that is accepted. */
const retried = async (id: string): Promise<string> => (await retry(id).expect(202)).body.task_id;
const read = async (id: string) => (await request(harness.app).get(`/batch-result/${id}`).expect(200)).body;

const keysOf = async (id: string) =>
  (await redis.keysUnder(keys.prefix)).filter((key) => key.includes(`{${id}}`));

describe('POST /batch-result/:id/retry', () => {
  const failing = async (rows = 12) => {
    const id = await submitted(rows);
    await work(id, (row) => (row === 5 ? 'timeout' : 'predicted'));
    return id;
  };

  it('accepts a task of the rows that can be retried, with the same model', async () => {
    const id = await failing();
    const { body, headers } = await retry(id, '?expires_in=600').expect(202);
    expect(headers.location).toBe(`/batch-result/${body.task_id}`);
    expect(headers['retry-after']).toBe('1');
    expect(body).toMatchObject({ status: 'pending', model: 'iris@1', rows: { total: 1 }, retry_of: id });
    expect(Date.parse(body.deadline_at) - Date.parse(body.created_at)).toBeGreaterThan(590_000);
    expect(await harness.store.read(body.task_id)).toMatchObject({
      fingerprint: IRIS_FINGERPRINT,
      pool: 'default',
    });
    const { text: metrics } = await request(harness.app).get('/metrics').expect(200);
    expect(metrics).toContain('outcome="retried"');
  });

  it('waits for the retry when asked to', async () => {
    const id = await failing();
    const waiting = retry(id)
      .set('prefer', 'wait=55')
      .expect(200)
      .then(({ body }) => body);
    await expect
      .poll(async () => (await harness.store.read(id))?.retriedBy, { timeout: 10_000 })
      .toBeDefined();
    const retriedBy = (await harness.store.read(id))?.retriedBy as string;
    await expect
      .poll(async () => (await harness.store.read(retriedBy))?.status, { timeout: 10_000 })
      .toBe('pending');
    await work(retriedBy, all('predicted'));
    expect(await waiting).toMatchObject({ task_id: retriedBy, status: 'succeeded', predictions: [50] });
  });

  it('is one task, however many ask at once or again, of the first task or of the retry', async () => {
    const id = await failing(40);
    const before = await redis.keysUnder(keys.prefix);
    const waiting = (await harness.producer.depth('default')).waiting;
    const ids = await Promise.all([1, 2, 3, 4, 5].map(() => retried(id)));
    const again = ids[0] as string;
    ids.push(await retried(id));
    expect(new Set(ids)).toEqual(new Set([again]));
    const added = (await redis.keysUnder(keys.prefix)).filter((key) => !before.includes(key));
    const ofTasks = added.filter((key) => !key.startsWith(keys.queuePrefix));
    expect(ofTasks.filter((key) => !key.includes(again))).toEqual([]);
    expect((await harness.producer.depth('default')).waiting).toBe(waiting + 1);
  });

  it('retries what the last retry has left', async () => {
    const id = await submitted(20);
    await work(id, (row) => (row % 2 === 0 ? 'worker_lost' : 'predicted'));
    const second = await retried(id);
    await work(second, (row) => (row < 10 ? 'timeout' : 'predicted'));
    const third = await retried(id);
    expect((await read(third)).rows.total).toBe(5);
    expect((await read(third)).retry_of).toBe(second);
    await work(third, (row) => (row === 8 ? 'timeout' : 'predicted'));
    expect(await read(id)).toMatchObject({
      status: 'partially_succeeded',
      rows: { succeeded: 19, failed: 1 },
      errors: [{ row: 8, id: 'r8', code: 'timeout' }],
      errors_by_code: { timeout: { count: 1, examples: [{ row: 8, id: 'r8' }] } },
      retries: [{ task_id: second }, { task_id: third }],
    });
    expect(await read(second)).toMatchObject({ rows: { succeeded: 9, failed: 1 }, errors: [{ row: 4 }] });
  });

  it('does so up to a limit', async () => {
    const id = await submitted(1);
    let current = id;
    for (let time = 0; time < 16; time++) {
      await work(current, all('timeout'));
      current = await retried(id);
    }
    await work(current, all('timeout'));
    expect((await retry(id).expect(409)).body).toMatchObject({ code: 'too_many_retries' });
    expect(await read(id)).toMatchObject({
      status: 'failed',
      errors: [{ row: 0, id: 'r0', code: 'timeout' }],
    });
  });

  it.each<[string, number, string, () => Promise<string>]>([
    ['has not ended', 409, 'task_unfinished', () => submitted(3)],
    [
      'has every prediction',
      409,
      'nothing_to_retry',
      async () => {
        const id = await submitted(3);
        await work(id, all('predicted'));
        return id;
      },
    ],
    [
      'has only rows that are wrong, or lost',
      409,
      'nothing_to_retry',
      async () => {
        const id = await submitted(3);
        await work(id, (row) => (row === 1 ? 'wrong_type' : 'input_lost'));
        return id;
      },
    ],
    [
      'failed as a whole',
      409,
      'nothing_to_retry',
      async () => {
        const id = await failing();
        await redis.redis.hset(keys.task(id), { error_code: 'upload_aborted', error_message: '…' });
        return id;
      },
    ],
    [
      'has lost its rows',
      410,
      'result_expired',
      async () => {
        const id = await failing();
        await redis.redis.del(keys.input(id, 0));
        return id;
      },
    ],
    [
      'has expired',
      410,
      'result_expired',
      async () => {
        const id = await failing();
        await redis.redis.hset(keys.task(id), 'expires_at', 1);
        return id;
      },
    ],
    [
      'was erased',
      410,
      'task_erased',
      async () => {
        const id = await failing();
        await request(harness.app).delete(`/batch-result/${id}`).expect(204);
        return id;
      },
    ],
    ['is not there', 404, 'unknown_task', async () => '00000000-0000-0000-0000-000000000000'],
  ])('is refused of a task that %s: %i %s', async (_, status, code, prepared) => {
    const id = await prepared();
    const before = await redis.keysUnder(keys.prefix);
    const { body } = await request(harness.app).post(`/v1/batch-result/${id}/retry`).expect(status);
    expect(body).toMatchObject({ code });
    expect(await redis.keysUnder(keys.prefix)).toEqual(before);
  });

  it.each(['expires_in=0', 'model=iris'])('is refused with %s', async (query) => {
    await retry(await failing(), `?${query}`).expect(400);
  });
});

describe('an API process that ends in the middle of a retry', () => {
  it.each([
    ['before the link', 'before', 'linkRetry', 'another'],
    ['after the link', 'after', 'linkRetry', 'the same'],
    ['before the seal', 'before', 'seal', 'the same'],
    ['after the seal', 'after', 'seal', 'the same'],
  ] as const)('%s leaves one retry to whoever asks next', async (_, moment, script, which) => {
    const proxy = await startRedisProxy(redis.server.port);
    const apart = await startHarness(proxy.url, keys);
    onTestFinished(() => apart.stop());
    const id = await submitted(25);
    await work(id, (row) => (row % 3 === 0 ? 'timeout' : 'predicted'));
    // Afterwards every script is known to Redis, so that it is done where it is named.
    const other = await submitted(1);
    await work(other, all('timeout'));
    await retry(other, '', apart).expect(202);
    const struck = new Promise<void>((resolve) => {
      const strike = () => {
        resolve();
        proxy.stop();
      };
      proxy.decide = (words) =>
        commandName(words, keys) === script ? { kind: 'strike', moment, strike } : { kind: 'pass' };
    });
    await retry(id, '', apart).expect(503);
    await struck;
    const linked = (await harness.store.read(id))?.retriedBy;
    const again = await retried(id);
    expect(linked === again ? 'the same' : 'another').toBe(which);
    expect(await retried(id)).toBe(again);
    await work(again, all('predicted'));
    expect(await read(id)).toMatchObject({ status: 'succeeded', rows: { total: 25, succeeded: 25 } });
  });

  it('and whose upload was given up leaves a link that is replaced', async () => {
    const id = await submitted(1);
    await work(id, all('timeout'));
    const dead = await retried(id);
    await redis.redis.hset(keys.task(dead), {
      status: 'failed',
      error_code: 'upload_aborted',
      error_message: '…',
    });
    const again = await retried(id);
    expect(again).not.toBe(dead);
    expect((await read(id)).retries).toMatchObject([{ task_id: again }]);
  });
});

describe('DELETE /batch-result/:id', () => {
  it('erases the retries with the first task, finished or not, and of a retry those that follow it', async () => {
    const id = await submitted(12);
    await work(id, all('timeout'));
    const second = await retried(id);
    await work(second, all('timeout'));
    const third = await retried(id);
    await request(harness.app).delete(`/batch-result/${second}`).expect(204);
    for (const erased of [second, third]) expect(await keysOf(erased)).toEqual([keys.task(erased)]);
    const fourth = await retried(id);
    await request(harness.app).delete(`/batch-result/${id}`).expect(204);
    for (const erased of [id, fourth]) {
      expect(await keysOf(erased)).toEqual([keys.task(erased)]);
      expect((await request(harness.app).get(`/batch-result/${erased}`).expect(410)).body.code).toBe(
        'task_erased',
      );
    }
  });
});
