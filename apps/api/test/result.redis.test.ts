import { once } from 'node:events';
import { request as httpRequest } from 'node:http';
import type { AddressInfo } from 'node:net';
import { ColumnBuilder } from '@millrace/batch/results/column';
import { encodeChunk } from '@millrace/batch/results/encode-chunk';
import { DEFAULT_LIFETIMES } from '@millrace/queue/keys';
import { TaskStore } from '@millrace/queue/task-store';
import request from 'supertest';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { useRedis } from '../../../test/fixtures/redis.js';
import { type Harness, startHarness } from './harness.js';
import { asText, storeReceiving, storeTask } from './tasks.js';

const redis = useRedis();
const keys = redis.freshKeys();
let harness: Harness;

beforeAll(async () => {
  harness = await startHarness(redis.url, keys);
});
afterAll(() => harness.stop());

/** A task of three chunks of two rows; row i is predicted as i, row 3 is bad. */
async function finishedTask(store = harness.store): Promise<string> {
  const id = await storeTask({ store }, [2, 2, 2]);
  for (const index of [2, 0, 1]) await store.commit(id, index, resultOf(index));
  return id;
}

function resultOf(index: number) {
  const firstRow = index * 2;
  const errors = index === 1 ? [{ row: 3, id: 'x', code: 'wrong_type' as const, message: 'no number' }] : [];
  const label = new ColumnBuilder({ name: 'label', type: 'int64', shape: [] }, 2);
  label.add(Uint32Array.of(0, 1), BigInt64Array.from([firstRow, firstRow + 1], BigInt), []);
  return encodeChunk({
    firstRow,
    rows: 2,
    errors,
    columns: [label.finish()],
    shown: { primary: 'label' },
  });
}

const get = (id: string, accept = 'application/json', query = '') =>
  request(harness.app).get(`/batch-result/${id}${query}`).set('accept', accept).buffer(true).parse(asText);

describe('a finished task', () => {
  it('is read in the order of its rows, whatever the order of its chunks', async () => {
    const { body, headers } = await get(await finishedTask()).expect(200);
    expect(JSON.parse(body)).toMatchObject({
      status: 'partially_succeeded',
      predictions: [0, 1, 2, null, 4, 5],
      errors: [{ row: 3, id: 'x', code: 'wrong_type', message: 'no number' }],
    });
    expect(headers.vary).toBe('Accept');
  });

  it('is read as objects with every output', async () => {
    const { body } = await get(await finishedTask(), 'application/json', '?outputs=all').expect(200);
    const object = (label: number) => ({ label });
    expect(JSON.parse(body).predictions).toEqual([
      object(0),
      object(1),
      object(2),
      null,
      object(4),
      object(5),
    ]);
  });

  it.each(['application/x-ndjson', 'application/ndjson', 'application/jsonl'])(
    'is read as lines (%s)',
    async (type) => {
      const { body } = await get(await finishedTask(), type).expect(200);
      expect(body).toBe(
        '{"row":0,"prediction":0}\n{"row":1,"prediction":1}\n{"row":2,"prediction":2}\n' +
          '{"row":3,"id":"x","error":{"code":"wrong_type","message":"no number"}}\n' +
          '{"row":4,"prediction":4}\n{"row":5,"prediction":5}\n',
      );
    },
  );

  it('is read as CSV', async () => {
    const { body } = await get(await finishedTask(), 'text/csv').expect(200);
    expect(body).toBe(
      'row,id,prediction,error_code,error_message\r\n0,,0,,\r\n1,,1,,\r\n2,,2,,\r\n' +
        '3,x,,wrong_type,no number\r\n4,,4,,\r\n5,,5,,\r\n',
    );
  });

  it('answers 410 once its results have expired', async () => {
    const brief = new TaskStore(redis.redis, keys, { ...DEFAULT_LIFETIMES, resultsMs: 1 });
    const id = await finishedTask(brief);
    const { expiresAt = Number.POSITIVE_INFINITY } = (await brief.read(id)) ?? {};
    while (Date.now() < expiresAt) await new Promise((resolve) => setImmediate(resolve));
    const { body } = await get(id).expect(410);
    expect(JSON.parse(body)).toMatchObject({
      code: 'result_expired',
      expired_at: new Date(expiresAt).toISOString(),
    });
  });
});

it.each(['application/json', 'application/x-ndjson'])(
  'a result that expires as it is read is 410 (%s)',
  async (type) => {
    const id = await finishedTask();
    await redis.redis.del(keys.output(id, 0));
    expect(JSON.parse((await get(id, type).expect(410)).body)).toMatchObject({ code: 'result_expired' });
  },
);

it('a task whose upload broke off says so in every format', async () => {
  const id = await storeReceiving(harness, []);
  await harness.store.abort(id, 'the client went away');
  const error = { code: 'upload_aborted', message: 'the client went away' };
  expect(JSON.parse((await get(id)).body)).toMatchObject({ status: 'failed', error });
  expect(JSON.parse((await get(id, 'application/x-ndjson')).body)).toEqual({ error });
  expect((await get(id, 'text/csv')).body).toMatch(/\r\n,,,upload_aborted,the client went away\r\n$/);
});

describe('waiting', () => {
  it('ends with the task, not with the time', async () => {
    const id = await storeTask(harness, [2]);
    const waiting = get(id)
      .set('prefer', 'respond-async, wait=55')
      .expect(200)
      .then(({ body }) => JSON.parse(body));
    const listener = redis.redis.duplicate();
    await listener.subscribe(keys.finished());
    await harness.store.commit(id, 0, resultOf(0));
    expect(await waiting).toMatchObject({ status: 'succeeded', predictions: [0, 1] });
    listener.disconnect();
  });

  it('for ever is capped, not refused', async () => {
    const { headers } = await get(await finishedTask())
      .set('prefer', 'wait=99999999999')
      .expect(200);
    expect(headers['preference-applied']).toBe('wait=60');
  });
});

it('a refused upload without end is cut off', async () => {
  const server = harness.app.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const call = httpRequest({
    port,
    method: 'POST',
    path: '/batch-predict',
    headers: { 'content-type': 'text/plain' },
  });
  // To be cut off may be an error, and is the end in any case.
  call.on('error', () => {});
  const closed = new Promise((resolve) => call.once('close', resolve));
  const writing = setInterval(() => call.write('x'.repeat(1024)), 20);
  const [response] = await once(call, 'response');
  expect(response.statusCode).toBe(415);
  response.resume();
  await closed;
  clearInterval(writing);
  server.close();
});
