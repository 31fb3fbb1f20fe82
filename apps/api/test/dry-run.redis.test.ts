import { once } from 'node:events';
import { request as httpRequest, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { CatalogPublisher } from '@millrace/queue/catalog-publisher';
import request from 'supertest';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { IRIS_MANIFEST, irisDescriptor, irisRows, toNdjson } from '../../../test/fixtures/iris.js';
import { useRedis } from '../../../test/fixtures/redis.js';
import { type Harness, LIMITS, startHarness } from './harness.js';

const redis = useRedis();
const keys = redis.freshKeys();
const MIB = 1024 * 1024;
const PATH = '/batch-predict?validate_only=true&model=';
const NDJSON = 'application/x-ndjson';
const ROWS = irisRows(1_000);
const GOOD = Object.values(ROWS[0] ?? {});
const HEADER = 'id,sepal_length,sepal_width,petal_length,petal_width\n';
/** Of them one thread predicts a thousand in a second, and 250 are a chunk. */
const SECONDS_PER_ROW = 0.001;
const MAX_ROWS = 5_000;
const MAX_JSON_BYTES = MIB;

let harness: Harness;
let server: Server;
let before: string[];

beforeAll(async () => {
  harness = await startHarness(redis.url, keys, undefined, {
    ...LIMITS,
    maxJsonBytes: MAX_JSON_BYTES,
    maxBodyBytes: 400 * MIB,
  });
  const iris = irisDescriptor(SECONDS_PER_ROW);
  const small = {
    ...iris,
    name: 'small',
    manifest: { ...IRIS_MANIFEST, limits: { ...IRIS_MANIFEST.limits, max_rows: MAX_ROWS } },
  };
  const served = { served: [iris, small], refused: [], aliases: {} };
  await new CatalogPublisher(redis.redis, keys, 'test-worker', 3).beat(served, Date.now());
  await new CatalogPublisher(redis.redis, keys, 'other-worker', 4).beat(served, Date.now());
  const nobody = { served: [{ ...iris, name: 'idle' }], refused: [], aliases: {} };
  const gone = new CatalogPublisher(redis.redis, keys, 'gone-worker');
  await gone.beat(nobody, Date.now());
  await gone.leave();
  server = harness.app.listen(0, '127.0.0.1');
  await once(server, 'listening');
  before = await storedKeys();
});
afterAll(async () => {
  // Whatever was asked here, nothing was stored or queued for it.
  expect(await storedKeys()).toEqual(before);
  server.closeAllConnections();
  server.close();
  await harness.stop();
});

/** All but what live workers say, which goes when they have been silent for a while. */
async function storedKeys(): Promise<string[]> {
  return (await redis.keysUnder(keys.prefix)).filter((key) => !key.includes(':worker:'));
}

interface Sent {
  model?: string;
  query?: string;
  type?: string;
  body: string | Buffer | unknown[] | object;
  headers?: Record<string, string>;
}

function check({ model = 'iris', query = '', type = 'application/json', body, headers = {} }: Sent) {
  const bytes = typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body);
  return request(server)
    .post(`${PATH}${model}${query}`)
    .set('content-type', type)
    .set(headers)
    .serialize((raw) => raw as string)
    .send(bytes as string);
}

describe('a dry run', () => {
  it.each<[string, Sent]>([
    ['JSON', { body: ROWS }],
    ['an envelope', { model: 'iris@1', body: { model: 'iris@1', inputs: ROWS } }],
    ['NDJSON', { type: NDJSON, body: toNdjson(ROWS) }],
    ['gzip', { type: NDJSON, body: gzipSync(toNdjson(ROWS)), headers: { 'content-encoding': 'gzip' } }],
    ['CSV', { type: 'text/csv', body: csv(ROWS.map((row, index) => [index, ...Object.values(row)])) }],
  ])('of good rows as %s says how many there are, and how long they would take', async (_name, sent) => {
    const { body } = await check(sent).expect(200);
    expect(body).toEqual({
      model: 'iris@1',
      rows: 1_000,
      valid: 1_000,
      invalid: 0,
      would_be_accepted: true,
      errors_by_code: {},
      errors: [],
      // Four chunks keep four of the seven threads busy.
      estimate: { rows_per_second: 4_000, seconds: 0.25 },
    });
  });

  const BAD = [
    { ...ROWS[0], id: 'first' },
    { ...ROWS[0], id: 'second', sepal_length: 'x' },
    { ...ROWS[0], id: {} },
    { sepal_width: 1 },
    { ...ROWS[0], sepal_length: -1, id: 5 },
    [1, 2, 3],
    null,
  ];
  const ERRORS = [
    { row: 1, id: 'second', code: 'wrong_type' },
    { row: 2, code: 'invalid_id' },
    { row: 3, code: 'missing_feature' },
    { row: 4, id: 5, code: 'out_of_range' },
    { row: 5, code: 'wrong_length' },
    { row: 6, code: 'wrong_row_type' },
  ];

  it.each<[string, Sent, boolean]>([
    ['JSON', { body: BAD }, false],
    ['JSON to be reported', { query: '&on_invalid=report', body: BAD }, true],
    ['an envelope to be reported', { body: { on_invalid: 'report', inputs: BAD } }, true],
    ['NDJSON', { type: NDJSON, body: toNdjson(BAD) }, true],
    ['NDJSON to be rejected', { type: NDJSON, query: '&on_invalid=reject', body: toNdjson(BAD) }, false],
  ])('of bad rows as %s lists and counts them', async (_name, sent, accepted) => {
    const { body } = await check(sent).expect(200);
    expect(body).toMatchObject({ rows: 7, valid: 1, invalid: 6, would_be_accepted: accepted });
    expect(body.errors).toMatchObject(ERRORS);
    expect(body.errors.map((error: object) => 'id' in error)).toEqual(ERRORS.map((error) => 'id' in error));
    expect(body.errors.every(({ message }: { message: string }) => message.length > 0)).toBe(true);
    expect(body.errors_by_code).toEqual(Object.fromEntries(ERRORS.map(({ code }) => [code, 1])));
  });

  it('says of every row what a submission would', async () => {
    const lines = [...BAD.map((row) => JSON.stringify(row)), '{"a', '', '[NaN]', JSON.stringify(GOOD)].join(
      '\n',
    );
    const dry = await check({ type: NDJSON, body: lines }).expect(200);
    const wet = await request(server)
      .post('/batch-predict?model=iris&on_invalid=reject')
      .set('content-type', NDJSON)
      .send(lines)
      .expect(422);
    expect(dry.body.errors).toEqual(wet.body.errors);
    expect([dry.body.invalid, dry.body.rows]).toEqual([wet.body.invalid_rows, 10]);
  });

  it('of CSV counts records and not lines', async () => {
    const body = csv([
      ['"a\nb"', ...GOOD],
      ['c', ...GOOD.slice(1)],
      ['d', 'x', ...GOOD.slice(1)],
      ['"e', ...GOOD],
    ]);
    const answer = await check({ type: 'text/csv', body }).expect(200);
    expect(answer.body).toMatchObject({ rows: 4, valid: 1, invalid: 3 });
    expect(answer.body.errors).toMatchObject([
      { row: 1, code: 'wrong_length' },
      { row: 2, id: 'd', code: 'wrong_type' },
      { row: 3, code: 'malformed_csv' },
    ]);
  });

  it('lists the first hundred errors and counts them all', async () => {
    const { body } = await check({ type: NDJSON, body: '{}\n[]\n'.repeat(2_000) }).expect(200);
    expect(body).toMatchObject({
      rows: 4_000,
      invalid: 4_000,
      errors_by_code: { missing_feature: 2_000, wrong_length: 2_000 },
    });
    expect(body.errors.map(({ row }: { row: number }) => row)).toEqual(
      Array.from({ length: 100 }, (_, row) => row),
    );
  });

  it.each([
    [100, { rows_per_second: 1_000, seconds: 0.1 }],
    [251, { rows_per_second: 2_000, seconds: 0.126 }],
    [5_000, { rows_per_second: 7_000, seconds: 0.714 }],
  ])('of %i rows estimates by the threads that would be busy', async (rows, expected) => {
    const { body } = await check({ type: NDJSON, body: `${JSON.stringify(GOOD)}\n`.repeat(rows) }).expect(
      200,
    );
    expect(body.estimate).toEqual(expected);
  });

  it('has no estimate while no worker is live', async () => {
    const { body } = await check({ model: 'idle', body: ROWS }).expect(200);
    expect(body).toMatchObject({ model: 'idle@1', valid: 1_000, estimate: null });
  });

  it('with an Idempotency-Key leaves the key alone', async () => {
    const headers = { 'idempotency-key': 'dry-1' };
    for (const body of [ROWS, [GOOD]]) await check({ body, headers }).expect(200);
    await check({ body: ROWS, headers: { 'idempotency-key': 'a, b' } }).expect(400);
  });
});

describe('a dry run is refused as a submission would be', () => {
  it.each<[string, number, string, Sent]>([
    ['an unknown model', 404, 'unknown_model', { model: 'roses', body: ROWS }],
    ['an unknown model for lines', 404, 'unknown_model', { model: 'roses', type: NDJSON, body: '[]\n' }],
    ['no rows', 400, 'empty_batch', { body: [] }],
    ['no lines', 400, 'empty_batch', { type: NDJSON, body: '\n\n' }],
    ['a header line alone', 400, 'empty_batch', { type: 'text/csv', body: HEADER }],
    ['a column too many', 400, 'unknown_column', { type: 'text/csv', body: `x,${HEADER}` }],
    ['broken JSON', 400, 'malformed_body', { body: '[' }],
    ['plain text', 415, 'unsupported_media_type', { type: 'text/plain', body: 'x' }],
    ['a row that is too long', 413, 'row_too_large', { type: NDJSON, body: 'x'.repeat(2_000) }],
    ['a row that is too long in JSON', 413, 'row_too_large', { body: ['x'.repeat(2_000)] }],
    ['JSON over its limit', 413, 'body_too_large', { body: ' '.repeat(MAX_JSON_BYTES + 1) }],
    [
      'lines to be rejected over the limit of JSON',
      413,
      'body_too_large',
      { type: NDJSON, query: '&on_invalid=reject', body: '{}\n'.repeat(MAX_JSON_BYTES / 2) },
    ],
    ['too many rows', 413, 'too_many_rows', { model: 'small', body: Array(MAX_ROWS + 1).fill([]) }],
    [
      'too many lines',
      413,
      'too_many_rows',
      { model: 'small', type: NDJSON, body: '{}\n'.repeat(MAX_ROWS + 1) },
    ],
    [
      'gzip that ends early',
      400,
      'malformed_encoding',
      {
        type: NDJSON,
        body: gzipSync(toNdjson(ROWS)).subarray(0, 500),
        headers: { 'content-encoding': 'gzip' },
      },
    ],
    ['two models', 400, 'conflicting_parameter', { body: { model: 'small', inputs: ROWS } }],
  ])('for %s', async (_name, status, code, sent) => {
    const { body } = await check(sent).expect(status);
    expect(body.code).toBe(code);
  });

  it('but takes as many rows as are allowed', async () => {
    const body = '{}\n'.repeat(MAX_ROWS);
    await check({ model: 'small', type: NDJSON, body }).expect(200);
  });

  it.each(['yes', '1', '', 'TRUE', 'true&validate_only=true'])('for validate_only=%s', async (value) => {
    const { body } = await request(server)
      .post(`/batch-predict?model=iris&validate_only=${value}`)
      .send(ROWS)
      .expect(400);
    expect(body).toMatchObject({ code: 'invalid_parameter', parameter: 'validate_only' });
    expect(body.detail).toContain('must be true or false');
  });

  it('for validate_only as a member of the body, which would otherwise be overlooked', async () => {
    const { body } = await request(server)
      .post('/batch-predict?model=iris')
      .send({ validate_only: true, inputs: ROWS })
      .expect(400);
    expect(body.code).toBe('unknown_parameter');
  });
});

describe('a dry run of a large file', () => {
  const PIECE = Buffer.from(toNdjson(ROWS));
  /** Far more bytes than the memory that may be taken. */
  const TIMES = 3_000;

  it('passes in constant memory, and others are answered meanwhile', async () => {
    const { port } = server.address() as AddressInfo;
    const headers = { 'content-type': NDJSON };
    const call = httpRequest({ port, method: 'POST', path: `${PATH}iris`, headers });
    const answered = once(call, 'response') as Promise<[IncomingMessage]>;
    global.gc?.();
    const idle = process.memoryUsage().rss;
    let peak = idle;
    Readable.from(
      (function* () {
        for (let index = 0; index < TIMES; index++) {
          peak = Math.max(peak, process.memoryUsage().rss);
          yield PIECE;
        }
      })(),
    ).pipe(call);
    let isOver = false;
    answered.finally(() => {
      isOver = true;
    });
    let others = 0;
    while (!isOver) {
      await request(server).get('/healthz').expect(200);
      others++;
    }
    const [response] = await answered;
    const body = JSON.parse(Buffer.concat(await response.toArray()).toString());
    expect(body).toMatchObject({ rows: TIMES * ROWS.length, invalid: 0 });
    expect(others).toBeGreaterThan(20);
    expect((peak - idle) / MIB).toBeLessThan(100);
  });
});

describe('rows that are checked', () => {
  /** The longest share of a request's time in which nobody else had a turn. */
  async function longestTurn(answered: Promise<unknown>): Promise<number> {
    let isOver = false;
    answered.finally(() => {
      isOver = true;
    });
    const startedAt = performance.now();
    let turnAt = startedAt;
    let longest = 0;
    while (!isOver) {
      await nextTurn();
      longest = Math.max(longest, performance.now() - turnAt);
      turnAt = performance.now();
    }
    return longest / (turnAt - startedAt);
  }

  it.each<[string, object]>([
    ['validate_only=true', { rows: 300_000, errors_by_code: { missing_feature: 300_000 } }],
    ['on_invalid=reject', { code: 'invalid_rows', invalid_rows: 300_000 }],
  ])('with %s leave others a turn in the middle, though bad ones take longest', async (query, expected) => {
    // Lines: JSON is read whole before its rows are looked at.
    const body = '{}\n'.repeat(300_000);
    const answered = request(server)
      .post(`/batch-predict?model=iris&${query}`)
      .set('content-type', NDJSON)
      .send(body)
      .then((response) => response);
    const longest = await longestTurn(answered);
    expect((await answered).body).toMatchObject(expected);
    expect(longest).toBeLessThan(0.25);
  });

  it.each(['validate_only=true', 'on_invalid=reject'])(
    'with %s are checked no further than as many as may be',
    async (query) => {
      const refused = await request(server)
        .post(`/batch-predict?model=small&${query}`)
        .set('content-type', NDJSON)
        .send('{}\n'.repeat(MAX_ROWS + 1));
      expect(refused.body).toMatchObject({ code: 'too_many_rows', limit_rows: MAX_ROWS });
    },
  );
});

function csv(records: readonly (readonly unknown[])[]): string {
  return HEADER + records.map((fields) => `${fields.join(',')}\n`).join('');
}
