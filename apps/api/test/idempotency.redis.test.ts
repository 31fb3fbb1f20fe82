import { once } from 'node:events';
import type { Server } from 'node:http';
import { gzipSync } from 'node:zlib';
import { TaskStore } from '@millrace/queue/task-store';
import request from 'supertest';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { IRIS_FINGERPRINT, irisRows, toNdjson } from '../../../test/fixtures/iris.js';
import { useRedis } from '../../../test/fixtures/redis.js';
import { type Harness, LIMITS, startHarness } from './harness.js';

const redis = useRedis();
const keys = redis.freshKeys();
const ROWS = irisRows(25);
const LINES = toNdjson(ROWS);
const PATH = '/batch-predict?model=iris';
const NDJSON = 'application/x-ndjson';
const CSV = `sepal_length,sepal_width,petal_length,petal_width\n${ROWS.map((row) => `${Object.values(row).join(',')}\n`).join('')}`;

let harness: Harness;
let server: Server;
let key: string;
let count = 0;

beforeAll(async () => {
  harness = await startHarness(redis.url, keys);
  server = harness.app.listen(0, '127.0.0.1');
  await once(server, 'listening');
});
afterAll(async () => {
  server.closeAllConnections();
  server.close();
  await harness.stop();
});
beforeEach(() => {
  count++;
  key = `key-${count}`;
});

interface Sent {
  path?: string;
  type?: string;
  body?: string | Buffer;
  headers?: Record<string, string>;
  key?: string;
}

function submit(sent: Sent = {}) {
  const call = request(server)
    .post(sent.path ?? PATH)
    .set('content-type', sent.type ?? 'application/json')
    .set('idempotency-key', sent.key ?? key)
    .set(sent.headers ?? {})
    // Bytes as they are.
    .serialize((body) => body as string);
  return call.send((sent.body ?? JSON.stringify(ROWS)) as string);
}

const stored = () => redis.keysUnder(keys.prefix);
const jobs = async () => (await harness.producer.depth('default')).waiting;
const tasks = async () => (await stored()).filter((each) => each.endsWith(':task')).length;

describe('a request that is sent again', () => {
  it.each<[string, Sent]>([
    ['JSON', {}],
    ['an envelope', { path: '/batch-predict', body: JSON.stringify({ model: 'iris', inputs: ROWS }) }],
    ['NDJSON', { type: NDJSON, body: LINES }],
    ['CSV', { type: 'text/csv', body: CSV }],
    ['checked CSV', { path: `${PATH}&on_invalid=reject`, type: 'text/csv', body: CSV }],
    ['gzip', { type: NDJSON, body: gzipSync(LINES), headers: { 'content-encoding': 'gzip' } }],
  ])('as %s gets the first answer, and nothing is stored or queued for it', async (_name, sent) => {
    const first = await submit(sent).expect(202);
    expect(first.headers['idempotency-replayed']).toBeUndefined();
    const before = [await stored(), await jobs()];
    const second = await submit(sent).expect(202);
    expect(second.body).toEqual(first.body);
    expect(second.headers).toMatchObject({
      location: first.headers.location,
      'retry-after': '1',
      'idempotency-replayed': 'true',
    });
    expect([await stored(), await jobs()]).toEqual(before);
  });

  it.each<[string, Sent, Sent]>([
    ['the other path', {}, { path: '/v1/batch-predict?model=iris' }],
    ['the key in quotes', { key: 'q-1' }, { key: '"q-1"' }],
    ['escapes in the key', { key: '"q\\"\\\\2"' }, { key: '"q\\"\\\\2"' }],
    ['another name of its type', { type: NDJSON, body: LINES }, { type: 'application/jsonl', body: LINES }],
    [
      'its parameters in another order',
      { path: '/batch-predict?model=iris&on_invalid=report' },
      { path: '/batch-predict?on_invalid=report&model=iris' },
    ],
    [
      'gzip around the same bytes',
      { type: NDJSON, body: LINES },
      { type: NDJSON, body: gzipSync(LINES), headers: { 'content-encoding': 'gzip' } },
    ],
    [
      'gzip of another strength',
      { type: NDJSON, body: gzipSync(LINES, { level: 1 }), headers: { 'content-encoding': 'gzip' } },
      { type: NDJSON, body: gzipSync(LINES, { level: 9 }), headers: { 'content-encoding': 'gzip' } },
    ],
    ['validate_only=false', {}, { path: `${PATH}&validate_only=false` }],
  ])('with %s is the same request', async (_name, first, second) => {
    const { body } = await submit(first).expect(202);
    const again = await submit(second).expect(202);
    expect(again.body.task_id).toBe(body.task_id);
  });

  it.each<[string, Sent, Sent]>([
    ['one row more', {}, { body: JSON.stringify([...ROWS, ROWS[0]]) }],
    ['one blank more', {}, { body: `${JSON.stringify(ROWS)} ` }],
    ['one bit that differs', { type: NDJSON, body: LINES }, { type: NDJSON, body: LINES.replace('1', '2') }],
    ['no rows', {}, { body: '[]' }],
    ['a body that is none', {}, { body: '[' }],
    ['another format', { type: NDJSON, body: LINES }, { type: 'text/csv', body: LINES }],
    ['another name of the model', {}, { path: '/batch-predict?model=iris@1' }],
    ['a model that is not served', {}, { path: '/batch-predict?model=roses' }],
    ['a deadline', {}, { path: `${PATH}&expires_in=60` }],
    ['another on_invalid', {}, { path: `${PATH}&on_invalid=report` }],
    [
      'what was a parameter as its body',
      { path: '/batch-predict?model=iris', type: NDJSON, body: LINES },
      { path: '/batch-predict', type: NDJSON, body: `[["model","iris"]]\n${LINES}` },
    ],
  ])('with %s is another request, and refused', async (_name, first, second) => {
    await submit(first).expect(202);
    const before = [await stored(), await jobs()];
    const { body, headers } = await submit(second).expect(422);
    expect(body.code).toBe('idempotency_key_reused');
    expect(headers['idempotency-replayed']).toBeUndefined();
    expect([await stored(), await jobs()]).toEqual(before);
    // The first answer stands.
    await submit(first).expect(202);
  });

  it('is answered with the task as it stands by then, and waits when asked to', async () => {
    const { body } = await submit({ body: JSON.stringify(ROWS.slice(0, 1)) }).expect(202);
    const sent = { body: JSON.stringify(ROWS.slice(0, 1)), headers: { prefer: 'wait=30' } };
    const waiting = submit(sent).then((response) => response);
    const { store } = harness;
    await store.begin(body.task_id, 0, [`iris@1 ${IRIS_FINGERPRINT}`]);
    const running = await submit({ body: sent.body }).expect(202);
    expect(running.body).toMatchObject({ task_id: body.task_id, status: 'running', rows: { running: 1 } });
    await store.commit(body.task_id, 0, {
      counts: { succeeded: 1, invalid: 0, failed: 0 },
      segments: { predictions: Buffer.from('0') },
    });
    const waited = await waiting;
    expect(waited.status).toBe(200);
    expect(waited.body).toMatchObject({ task_id: body.task_id, status: 'succeeded', predictions: [0] });
    expect(waited.headers['idempotency-replayed']).toBe('true');
    const later = await submit({ body: sent.body }).expect(202);
    expect(later.body).toMatchObject({ task_id: body.task_id, status: 'succeeded' });
  });

  it('says what it waits for, as the first answer did', async () => {
    await submit().expect(202);
    await harness.publisher.leave();
    while ((await redis.redis.exists(keys.worker('test-worker'))) === 1);
    const { body } = await until(submit, (response) => response.body.waiting_for !== undefined);
    expect(body.waiting_for).toBe('a worker that serves iris@1');
  });

  it('whose task was erased is not taken in again by the same key', async () => {
    const { body } = await submit().expect(202);
    await request(server).delete(`/batch-result/${body.task_id}`).expect(204);
    const before = [await stored(), await jobs()];
    const again = await submit().expect(410);
    expect(again.body.code).toBe('task_erased');
    expect([await stored(), await jobs()]).toEqual(before);
  });

  it('whose task was cancelled is told so', async () => {
    const { body } = await submit().expect(202);
    await request(server).post(`/batch-result/${body.task_id}/cancel`).expect(200);
    const again = await submit().expect(202);
    expect(again.body).toMatchObject({ task_id: body.task_id, status: 'cancelled', rows: { cancelled: 25 } });
  });

  it('makes a new task once the results have expired', async () => {
    const sent = { body: JSON.stringify(ROWS.slice(0, 1)) };
    const { body } = await submit(sent).expect(202);
    const brief = new TaskStore(redis.redis, keys, {
      leaseMs: 5_000,
      unfinishedMs: 60_000,
      resultsMs: 1,
      recordMs: 60_000,
    });
    await brief.begin(body.task_id, 0, [`iris@1 ${IRIS_FINGERPRINT}`]);
    await brief.commit(body.task_id, 0, { counts: { succeeded: 1, invalid: 0, failed: 0 }, segments: {} });
    const again = await until(
      () => submit(sent),
      (response) => response.body.task_id !== body.task_id,
    );
    expect(again.status).toBe(202);
    expect(again.headers['idempotency-replayed']).toBeUndefined();
  });
});

describe('a request that was refused', () => {
  it.each<[string, number, Sent]>([
    ['a bad row', 422, { body: '[[1,2,3]]' }],
    ['no rows', 400, { body: '[]' }],
    ['broken JSON', 400, { body: '[' }],
    ['an unknown model', 404, { path: '/batch-predict?model=roses' }],
    ['no model', 400, { path: '/batch-predict', type: NDJSON, body: LINES }],
    [
      'a row that is too long, behind stored chunks',
      413,
      { type: NDJSON, body: LINES + 'x'.repeat(2 * LIMITS.maxRowBytes) },
    ],
    ['a body that is too large', 413, { type: NDJSON, body: LINES.repeat(200) }],
    ['a bad header line', 400, { type: 'text/csv', body: 'a,b\n1,2\n' }],
    ['gzip that is none', 400, { body: 'x', headers: { 'content-encoding': 'gzip' } }],
  ])('for %s frees its key and leaves nothing', async (_name, status, sent) => {
    const before = await stored();
    await submit(sent).expect(status);
    expect(await stored()).toEqual(before);
    await submit().expect(202);
  });
});

describe('a key', () => {
  it('makes one task of fifty requests at once', async () => {
    const before = await tasks();
    const responses = await Promise.all(Array.from({ length: 50 }, () => submit()));
    const codes = new Set(responses.map(({ status }) => status));
    expect([...codes].every((code) => code === 202 || code === 409)).toBe(true);
    const ids = responses.filter(({ status }) => status === 202).map(({ body }) => body.task_id);
    expect(new Set(ids).size).toBe(1);
    expect(await tasks()).toBe(before + 1);
  });
});

async function until<T>(ask: () => PromiseLike<T>, isRight: (answer: T) => boolean): Promise<T> {
  for (;;) {
    const answer = await ask();
    if (isRight(answer)) return answer;
  }
}
