import { gzipSync } from 'node:zlib';
import request from 'supertest';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { IRIS_SAMPLES, toNdjson } from '../../../test/fixtures/iris.js';
import { useRedis } from '../../../test/fixtures/redis.js';
import { type Harness, LIMITS, startHarness } from './harness.js';

const redis = useRedis();
const keys = redis.freshKeys();
let harness: Harness;
let keysBefore: string[];

beforeAll(async () => {
  harness = await startHarness(redis.url, keys);
  keysBefore = await storedKeys();
});
afterAll(() => harness.stop());

/** All but the handful of bookkeeping keys that a BullMQ queue has for good. */
async function storedKeys(): Promise<string[]> {
  const bookkeeping = /:queue\}:default:(meta|id|events|marker|pc)$/;
  return (await redis.keysUnder(keys.prefix)).filter((key) => !bookkeeping.test(key));
}

interface Refusal {
  status: number;
  code: string;
  detail?: RegExp;
}

interface Submission {
  query?: string;
  type?: string | null;
  headers?: Record<string, string>;
  body?: string | Buffer | unknown[] | Record<string, unknown>;
}

const ROW = IRIS_SAMPLES.samples[0]?.row as Record<string, number>;
const JSON_TYPE = 'application/json';
const NDJSON_TYPE = 'application/x-ndjson';
const CSV_TYPE = 'text/csv';
const HEADER = 'sepal_length,sepal_width,petal_length,petal_width\n';
const LINES = toNdjson(Array.from({ length: 200 }, () => ROW));
const NOT_UTF8 = Buffer.from([0x5b, 0xff, 0xfe, 0x5d]);
const DEEP = `${'['.repeat(5000)}${']'.repeat(5000)}`;

const GZIP = { 'content-encoding': 'gzip' };

const refused = (status: number, code: string, detail?: RegExp): Refusal =>
  detail ? { status, code, detail } : { status, code };
const row = (change: Record<string, unknown>) => ({ body: [{ ...ROW, ...change }] });

const SUBMISSIONS: [string, Submission, Refusal][] = [
  ['no model', { query: '', body: [ROW] }, refused(400, 'model_required')],
  ['an unknown model', { query: '?model=roses', body: [ROW] }, refused(404, 'unknown_model')],
  [
    'a misspelt model',
    { query: '?model=irs', body: [ROW] },
    refused(404, 'unknown_model', /did you mean "iris"/),
  ],
  ['an unknown version', { query: '?model=iris@99', body: [ROW] }, refused(404, 'unknown_model')],
  ['a version that is no number', { query: '?model=iris@new', body: [ROW] }, refused(404, 'unknown_model')],
  ['a model name with a path in it', { query: '?model=../iris', body: [ROW] }, refused(404, 'unknown_model')],
  ['an empty model', { query: '?model=', body: [ROW] }, refused(400, 'invalid_parameter')],
  ['two models', { query: '?model=iris&model=iris', body: [ROW] }, refused(400, 'invalid_parameter')],
  [
    'a misspelt parameter',
    { query: '?modle=iris', body: [ROW] },
    refused(400, 'unknown_parameter', /did you mean "model"/),
  ],
  [
    'a parameter value that is none',
    { query: '?model=iris&on_invalid=maybe', body: [ROW] },
    refused(400, 'invalid_parameter'),
  ],
  ['no content type', { type: null, body: Buffer.from('[]') }, refused(415, 'unsupported_media_type')],
  ['plain text', { type: 'text/plain', body: 'hello' }, refused(415, 'unsupported_media_type')],
  [
    'a form',
    { type: 'application/x-www-form-urlencoded', body: 'a=1' },
    refused(415, 'unsupported_media_type'),
  ],
  [
    'another charset',
    { type: `${JSON_TYPE}; charset=latin1`, body: '[]' },
    refused(415, 'unsupported_media_type', /latin1/),
  ],
  [
    'brotli',
    { headers: { 'content-encoding': 'br' }, body: Buffer.from('x') },
    refused(415, 'unsupported_encoding'),
  ],
  ['gzip that is none', { headers: GZIP, body: Buffer.from('[1]') }, refused(400, 'malformed_encoding')],
  [
    'gzip that ends early',
    { headers: GZIP, body: gzipSync(JSON.stringify([ROW])).subarray(0, 30) },
    refused(400, 'malformed_encoding'),
  ],
  ['an empty body', { body: '' }, refused(400, 'malformed_body')],
  ['JSON that ends early', { body: '[{"sepal_length":5.1' }, refused(400, 'malformed_body')],
  [
    'JSON that is broken behind an unknown model',
    { query: '', body: '{"model":"roses","inputs":[[5,3,1,0],]}' },
    refused(400, 'malformed_body'),
  ],
  ['two JSON values', { body: '[] []' }, refused(400, 'malformed_body')],
  ['JSON with comments', { body: '[] // rows' }, refused(400, 'malformed_body')],
  ['a body that is not UTF-8', { body: NOT_UTF8 }, refused(400, 'malformed_body')],
  ['null', { body: 'null' }, refused(400, 'invalid_body')],
  ['a number', { body: '42' }, refused(400, 'invalid_body')],
  ['a string', { body: '"rows"' }, refused(400, 'invalid_body')],
  ['an empty object', { body: {} }, refused(400, 'invalid_body')],
  ['a single row', { body: ROW }, refused(400, 'invalid_body', /list of rows under "inputs"/)],
  ['a misspelt "inputs"', { body: { input: [ROW] } }, refused(400, 'invalid_body', /"input"/)],
  ['"inputs" that is no list', { body: { inputs: 'rows' } }, refused(400, 'invalid_body')],
  ['no rows', { body: [] }, refused(400, 'empty_batch')],
  ['no rows in an envelope', { body: { inputs: [] } }, refused(400, 'empty_batch')],
  ['an unknown member', { body: { inputs: [ROW], modle: 'iris' } }, refused(400, 'unknown_parameter')],
  [
    'a model that is no string',
    { query: '', body: { inputs: [ROW], model: 1 } },
    refused(400, 'invalid_parameter'),
  ],
  [
    'an option that is none',
    { body: { inputs: [ROW], on_invalid: 'no' } },
    refused(400, 'invalid_parameter'),
  ],
  [
    'two models that differ',
    { body: { inputs: [ROW], model: 'iris@1' } },
    refused(400, 'conflicting_parameter'),
  ],
  ['a row without a feature', { body: [{ sepal_length: 1 }] }, refused(422, 'invalid_rows')],
  ['a row with one feature too many', row({ colour: 1 }), refused(422, 'invalid_rows')],
  [
    'a row with __proto__',
    { body: `[{"__proto__":1,${JSON.stringify(ROW).slice(1)}]` },
    refused(422, 'invalid_rows'),
  ],
  ['a row with a string for a number', row({ sepal_length: '5.1' }), refused(422, 'invalid_rows')],
  ['a row with null for a number', row({ sepal_length: null }), refused(422, 'invalid_rows')],
  ['a row with a number out of range', row({ sepal_length: -1 }), refused(422, 'invalid_rows')],
  [
    'a row with a number no float holds',
    { body: `[{"sepal_length":1e999,"sepal_width":1,"petal_length":1,"petal_width":1}]` },
    refused(422, 'invalid_rows'),
  ],
  ['a row with an id that is none', row({ id: {} }), refused(422, 'invalid_rows')],
  ['a row that is too short', { body: [[1, 2, 3]] }, refused(422, 'invalid_rows')],
  ['a row that is too long', { body: [[1, 2, 3, 4, 5]] }, refused(422, 'invalid_rows')],
  ['a row that is null', { body: [null] }, refused(422, 'invalid_rows')],
  ['a row that is a number', { body: [1] }, refused(422, 'invalid_rows')],
  ['a row that is a string', { body: ['5.1'] }, refused(422, 'invalid_rows')],
  ['a row nested without end', { body: `[${DEEP}]` }, refused(400, 'invalid_body', /deeper than 64/)],
  [
    'JSON over the limit',
    { body: ' '.repeat(LIMITS.maxJsonBytes + 1) },
    refused(413, 'body_too_large', /x-ndjson/),
  ],
  [
    'gzip that inflates over the limit',
    { headers: GZIP, body: gzipSync(Buffer.alloc(50 * LIMITS.maxJsonBytes, 32)) },
    refused(413, 'body_too_large'),
  ],
  ['NDJSON without a line', { type: NDJSON_TYPE, body: '' }, refused(400, 'empty_batch')],
  ['NDJSON of blank lines', { type: NDJSON_TYPE, body: '\n \r\n\t\n' }, refused(400, 'empty_batch')],
  [
    'NDJSON for an unknown model',
    { query: '?model=x', type: NDJSON_TYPE, body: LINES },
    refused(404, 'unknown_model'),
  ],
  ['NDJSON without a model', { query: '', type: NDJSON_TYPE, body: LINES }, refused(400, 'model_required')],
  [
    'NDJSON with an endless line',
    { type: NDJSON_TYPE, body: LINES + 'x'.repeat(2 * LIMITS.maxRowBytes) },
    refused(413, 'row_too_large', /row 200/),
  ],
  ['NDJSON over the limit', { type: NDJSON_TYPE, body: LINES.repeat(20) }, refused(413, 'body_too_large')],
  [
    'NDJSON with a bad row, to be rejected',
    { query: '?model=iris&on_invalid=reject', type: NDJSON_TYPE, body: `${LINES}{}\n` },
    refused(422, 'invalid_rows', /1 of 201/),
  ],
  [
    'gzipped NDJSON that ends early',
    { type: NDJSON_TYPE, headers: GZIP, body: truncatedGzip(LINES) },
    refused(400, 'malformed_encoding'),
  ],
  ['CSV without a line', { type: CSV_TYPE, body: '' }, refused(400, 'empty_batch')],
  ['CSV without rows', { type: CSV_TYPE, body: HEADER }, refused(400, 'empty_batch')],
  [
    'CSV without a column',
    { type: CSV_TYPE, body: 'sepal_length,sepal_width,petal_length\n1,2,3\n' },
    refused(400, 'missing_column', /"petal_width"/),
  ],
  [
    'CSV with a misspelt column',
    { type: CSV_TYPE, body: HEADER.replace('petal_width', 'petal_with') },
    refused(400, 'unknown_column', /did you mean "petal_width"/),
  ],
  [
    'CSV with a column twice',
    { type: CSV_TYPE, body: `sepal_length,${HEADER}` },
    refused(400, 'duplicate_column'),
  ],
  [
    'CSV with a broken header',
    { type: CSV_TYPE, body: `"sepal_length"x,${HEADER}1,2,3,4\n` },
    refused(400, 'malformed_header'),
  ],
  [
    'CSV with a header that is not UTF-8',
    { type: CSV_TYPE, body: Buffer.from([0xff, 0x2c, 0xfe, 0x0a]) },
    refused(400, 'malformed_header'),
  ],
  [
    'CSV with a quote left open',
    { type: CSV_TYPE, body: `${HEADER}"1,2,3,4\n${'1,2,3,4\n'.repeat(500)}` },
    refused(413, 'row_too_large', /quote left open/),
  ],
  [
    'CSV with a bad row, to be rejected',
    { query: '?model=iris&on_invalid=reject', type: CSV_TYPE, body: `${HEADER}1,2,3,x\n` },
    refused(422, 'invalid_rows'),
  ],
];

/** Bytes and text are sent as they are, whatever the content type says. */
const asIs = (body: unknown) =>
  (typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body)) as string;

/** Compresses badly enough that the first half inflates to whole rows. */
function truncatedGzip(text: string): Buffer {
  const compressed = gzipSync(text, { level: 0 });
  return compressed.subarray(0, compressed.length / 2);
}

describe('malformed submissions', () => {
  it.each(SUBMISSIONS)(
    '%s',
    async (_name, { query = '?model=iris', type = JSON_TYPE, headers = {}, body }, expected) => {
      const call = request(harness.app).post(`/batch-predict${query}`).set(headers);
      if (type !== null) call.type(type);
      call.serialize(asIs);
      const response = await call.send(body);
      expectProblem(response, expected);
      expect(await storedKeys()).toEqual(keysBefore);
    },
  );

  it('are at least forty', () => expect(SUBMISSIONS.length).toBeGreaterThan(40));
});

const UNKNOWN_ID = '00000000-0000-4000-8000-000000000000';

describe('malformed requests for anything else', () => {
  it.each([
    ['get', '/batch-result/nope', {}, refused(404, 'unknown_task')],
    ['get', `/batch-result/${UNKNOWN_ID}`, {}, refused(404, 'unknown_task')],
    ['get', `/batch-result/${UNKNOWN_ID}?outputs=some`, {}, refused(400, 'invalid_parameter')],
    [
      'get',
      `/batch-result/${UNKNOWN_ID}?output=all`,
      {},
      refused(400, 'unknown_parameter', /did you mean "outputs"/),
    ],
    ['get', `/batch-result/${UNKNOWN_ID}`, { accept: 'image/png' }, refused(406, 'not_acceptable')],
    ['get', '/batch-result/%E0%A4%A', {}, refused(404, 'not_found')],
    ['get', '/v1/models/roses', {}, refused(404, 'unknown_model')],
    ['get', '/batch-predict', {}, refused(405, 'method_not_allowed')],
    ['delete', '/v1/batch-predict', {}, refused(405, 'method_not_allowed')],
    ['post', `/batch-result/${UNKNOWN_ID}`, {}, refused(405, 'method_not_allowed')],
    ['post', '/healthz', {}, refused(405, 'method_not_allowed')],
    ['get', '/batch_predict', {}, refused(404, 'not_found')],
  ] as const)('%s %s %o', async (method, path, headers, expected) => {
    expectProblem(await request(harness.app)[method](path).set(headers), expected);
  });
});

function expectProblem(response: request.Response, expected: Refusal): void {
  expect({ status: response.status, code: response.body.code }).toEqual({
    status: expected.status,
    code: expected.code,
  });
  expect(response.headers['content-type']).toMatch('application/problem+json');
  expect(response.body).toMatchObject({
    status: expected.status,
    type: `urn:millrace:problem:${expected.code}`,
  });
  expect(response.body.request_id).toBe(response.headers['x-request-id']);
  if (expected.detail !== undefined) expect(response.body.detail).toMatch(expected.detail);
}
