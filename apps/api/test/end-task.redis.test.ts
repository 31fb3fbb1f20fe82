import { randomUUID } from 'node:crypto';
import { ColumnBuilder } from '@millrace/batch/results/column';
import { encodeChunk } from '@millrace/batch/results/encode-chunk';
import request from 'supertest';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { commandName } from '../../../test/fixtures/command-names.js';
import { IRIS_FINGERPRINT } from '../../../test/fixtures/iris.js';
import { useRedis } from '../../../test/fixtures/redis.js';
import { startRedisProxy } from '../../../test/fixtures/redis-proxy.js';
import { type Harness, startHarness } from './harness.js';
import { downloadResult } from './tasks.js';

const redis = useRedis();
const keys = redis.freshKeys();
let harness: Harness;

beforeAll(async () => {
  harness = await startHarness(redis.url, keys);
});
afterAll(() => harness.stop());

/** Ten rows to a chunk; nobody takes them. */
async function submitted(rows: number, query = ''): Promise<string> {
  const body = '[5.1,3.5,1.4,0.2]\n'.repeat(rows);
  const { body: answer } = await request(harness.app)
    .post(`/batch-predict?model=iris${query}`)
    .set('content-type', 'application/x-ndjson')
    .send(body)
    .expect(202);
  return answer.task_id;
}

/** Begins and commits a chunk as a worker would; every row is a 7. */
async function predict(id: string, index: number): Promise<string> {
  await harness.store.begin(id, index, [`iris@1 ${IRIS_FINGERPRINT}`]);
  const label = new ColumnBuilder({ name: 'label', type: 'int64', shape: [] }, 10);
  label.add(
    Uint32Array.from({ length: 10 }, (_, row) => row),
    new BigInt64Array(10).fill(7n),
    [],
  );
  const outcome = { firstRow: index * 10, rows: 10, errors: [], columns: [label.finish()] };
  const result = encodeChunk({ ...outcome, shown: { primary: 'label' } });
  return (await harness.store.commit(id, index, result)).kind;
}

const cancel = (id: string, prefix = '') => request(harness.app).post(`${prefix}/batch-result/${id}/cancel`);
const erase = (id: string) => request(harness.app).delete(`/batch-result/${id}`);
const poll = (id: string, accept = 'application/json') =>
  request(harness.app).get(`/batch-result/${id}`).set('accept', accept);
const MESSAGE = 'the task was cancelled before this row was predicted';

describe('POST /batch-result/:id/cancel', () => {
  it('ends the task, keeps what is done, and names every other row', async () => {
    const id = await submitted(25);
    await predict(id, 1);
    const { body } = await cancel(id).expect(200);
    expect(body).toMatchObject({
      status: 'cancelled',
      rows: { total: 25, succeeded: 10, cancelled: 15, pending: 0, running: 0 },
    });
    const result = (await poll(id).expect(200)).body;
    const nulls = (count: number) => new Array(count).fill(null);
    expect(result.predictions).toEqual([...nulls(10), ...new Array(10).fill(7), ...nulls(5)]);
    expect(result.errors).toHaveLength(15);
    expect(result.errors[10]).toEqual({ row: 20, code: 'cancelled', message: MESSAGE });
  });

  it.each([
    ['application/x-ndjson', `{"row":10,"error":{"code":"cancelled","message":"${MESSAGE}"}}`],
    ['text/csv', `10,,,cancelled,${MESSAGE}`],
  ])('shows the rows as %s, too', async (type, line) => {
    const id = await submitted(12);
    await predict(id, 0);
    await cancel(id);
    const lines = (await downloadResult(harness, id, type)).trimEnd().split(/\r?\n/);
    expect(lines).toContain(line);
    expect(lines.length).toBe(type === 'text/csv' ? 13 : 12);
  });

  it('takes the jobs out of the queue', async () => {
    const before = (await harness.producer.depth('default')).waiting;
    const id = await submitted(25);
    expect((await harness.producer.depth('default')).waiting).toBe(before + 3);
    await cancel(id);
    expect((await harness.producer.depth('default')).waiting).toBe(before);
  });

  it('is the same again, under /v1, and of a finished task', async () => {
    const id = await submitted(10);
    const first = (await cancel(id).expect(200)).body;
    expect((await cancel(id, '/v1').expect(200)).body).toEqual(first);
    const finished = await submitted(10);
    await predict(finished, 0);
    expect((await cancel(finished).expect(200)).body).toMatchObject({ status: 'succeeded' });
  });

  it('is done though the index cannot be told: the reaper does that, too', async () => {
    const proxy = await startRedisProxy(redis.server.port);
    const apart = await startHarness(proxy.url, keys);
    onTestFinished(async () => {
      await apart.stop();
      await proxy.stop();
    });
    const id = await submitted(10);
    const refused: string[] = [];
    proxy.decide = (words) => {
      const name = commandName(words, keys);
      if (name !== 'zrem unfinished') return { kind: 'pass' };
      refused.push(name);
      return { kind: 'refuse' };
    };
    const { body } = await request(apart.app).post(`/batch-result/${id}/cancel`).expect(200);
    expect(body).toMatchObject({ status: 'cancelled' });
    expect(refused).toHaveLength(1);
  });

  it('refuses what a worker commits afterwards', async () => {
    const id = await submitted(10);
    await cancel(id);
    expect(await predict(id, 0)).toBe('gone');
    expect((await poll(id)).body).toMatchObject({
      status: 'cancelled',
      rows: { succeeded: 0, cancelled: 10 },
    });
  });

  it('wakes whoever waits for the task', async () => {
    const id = await submitted(10);
    const waiting = poll(id)
      .set('prefer', 'wait=55')
      .then(({ body }) => body);
    await cancel(id);
    expect(await waiting).toMatchObject({ status: 'cancelled' });
  });
});

describe('expires_in', () => {
  it('is the deadline of the task, which a poll brings about', async () => {
    const id = await submitted(25, '&expires_in=600');
    const { body } = await poll(id);
    expect(Date.parse(body.deadline_at) - Date.parse(body.created_at)).toBeGreaterThan(590_000);
    await predict(id, 0);
    await redis.redis.hset(keys.task(id), 'deadline_at', 1);
    expect((await poll(id)).body).toMatchObject({
      status: 'expired',
      rows: { succeeded: 10, expired: 15 },
      errors: expect.arrayContaining([
        { row: 24, code: 'expired', message: 'the task expired before this row was predicted' },
      ]),
    });
  });

  it('may be a member of a JSON body', async () => {
    const send = { model: 'iris', inputs: [[1, 2, 3, 4]], expires_in: 60 };
    const { body } = await request(harness.app).post('/batch-predict').send(send).expect(202);
    expect(body.deadline_at).toMatch(/^20/);
  });

  it.each([
    ['0', 'must be at least 1 second'],
    ['604801', 'must be at most 604800 seconds'],
    ['-5', 'must be a whole number of seconds'],
    ['1.5', 'must be a whole number of seconds'],
    ['soon', 'must be a whole number of seconds'],
    ['', 'must be a whole number of seconds'],
  ])('is refused as %j', async (value, message) => {
    const { body } = await request(harness.app)
      .post(`/batch-predict?model=iris&expires_in=${value}`)
      .send([]);
    expect(body).toMatchObject({
      status: 400,
      code: 'invalid_parameter',
      detail: `query parameter "expires_in": ${message}`,
    });
  });
});

describe('DELETE /batch-result/:id', () => {
  it('leaves nothing of the rows and the results, and says so from then on', async () => {
    const id = await submitted(25);
    await predict(id, 0);
    await erase(id).expect(204);
    const left = (await redis.keysUnder(keys.prefix)).filter((key) => key.includes(id));
    expect(left).toEqual([keys.task(id)]);
    for (const again of [poll(id), cancel(id)]) {
      expect((await again.expect(410)).body).toMatchObject({
        code: 'task_erased',
        detail: expect.stringMatching(/^this task was erased at 20/),
        erased_at: expect.stringMatching(/^20/),
      });
    }
  });

  it('is the same again', async () => {
    const id = await submitted(10);
    await erase(id).expect(204);
    await erase(id).expect(204);
  });
});

it.each(['cancel', 'erase'])('a task that is not there cannot be ended: %s', async (how) => {
  const id = randomUUID();
  const { body } = await (how === 'cancel' ? cancel(id) : erase(id)).expect(404);
  expect(body).toMatchObject({ code: 'unknown_task' });
});

it('says which methods there are', async () => {
  const id = randomUUID();
  const put = await request(harness.app).put(`/batch-result/${id}`).expect(405);
  expect(put.headers.allow).toBe('GET, DELETE');
  const get = await request(harness.app).get(`/batch-result/${id}/cancel`).expect(405);
  expect(get.headers.allow).toBe('POST');
});
