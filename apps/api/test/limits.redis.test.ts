import { randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import { createGzip, gzipSync } from 'node:zlib';
import { completeManifest } from '@millrace/batch/manifest/complete';
import { ManifestFile } from '@millrace/batch/manifest/manifest';
import type { ModelDescriptor } from '@millrace/batch/model';
import request from 'supertest';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { IRIS_SAMPLES, irisDescriptor } from '../../../test/fixtures/iris.js';
import { useRedis } from '../../../test/fixtures/redis.js';
import { type Harness, LIMITS, startHarness } from './harness.js';

const redis = useRedis();
const MIB = 1024 * 1024;
const MAX_ROW_BYTES = 2 * MIB;
const JSON_TYPE = 'application/json';
const NDJSON = 'application/x-ndjson';
const CSV = 'text/csv';
const IRIS = irisDescriptor(0.025);
const ROW = IRIS_SAMPLES.samples[0]?.row as Record<string, number>;
const LINE = `${JSON.stringify(ROW)}\n`;
const HEADER = 'sepal_length,sepal_width,petal_length,petal_width';

/** Every name is one that objects inherit. */
const INHERITED: ModelDescriptor = {
  ...IRIS,
  name: 'constructor',
  manifest: completeManifest(
    ManifestFile.parse({
      features: [
        { name: '__proto__', type: 'float' },
        { name: 'constructor', type: 'float', default: 1 },
        { name: 'toString', type: 'category', values: ['__proto__', 'valueOf'] },
      ],
      outputs: [{ name: '__proto__', classes: ['__proto__', 'constructor'] }],
    }),
    {
      inputs: [{ name: 'x', type: 'float32', shape: [null, 3] }],
      outputs: [{ name: '__proto__', type: 'float32', shape: [null, 2] }],
    },
  ),
  example: JSON.parse('{"__proto__":1,"toString":"valueOf"}'),
};

let harness: Harness;

beforeAll(async () => {
  const limits = { ...LIMITS, maxJsonBytes: 8 * MIB, maxBodyBytes: 64 * MIB, maxRowBytes: MAX_ROW_BYTES };
  harness = await startHarness(redis.url, redis.freshKeys(), undefined, limits);
  const aliases = { constructor: { written_at: 1, targets: { hasOwnProperty: 1 }, problems: [] } };
  await harness.publisher.beat({ served: [IRIS, INHERITED], refused: [], aliases }, Date.now());
});
afterAll(() => harness.stop());

interface Sent {
  model?: string;
  query?: string;
  type?: string;
  body: string | Buffer;
  headers?: Record<string, string>;
}

function submit({ model = 'iris', query = '', type = JSON_TYPE, body, headers = {} }: Sent) {
  return request(harness.app)
    .post(`/batch-predict?model=${model}${query}`)
    .set('content-type', type)
    .set(headers)
    .serialize((raw) => raw as string)
    .send(body as string);
}

const nested = (depth: number) => `${'['.repeat(depth)}${']'.repeat(depth)}`;
const refuse = { query: '&on_invalid=reject' };
const DIGITS = '9'.repeat(MIB);

describe('the limits of a row', () => {
  it.each<[string, Sent, object]>([
    [
      'depth of a body',
      { body: nested(65) },
      { status: 400, code: 'invalid_body', detail: 'the body is nested deeper than 64 levels' },
    ],
    [
      'depth of a line',
      { ...refuse, type: NDJSON, body: `${LINE}${nested(65)}\n` },
      {
        code: 'invalid_rows',
        errors: [{ row: 1, code: 'wrong_row_type', message: 'the row is nested deeper than 64 levels' }],
      },
    ],
    [
      'depth of a line that never ends to be nested',
      { ...refuse, type: NDJSON, body: '{"a":'.repeat(200_000) },
      { errors: [{ row: 0, code: 'wrong_row_type', message: 'the row is nested deeper than 64 levels' }] },
    ],
    [
      'length of a line',
      { type: NDJSON, body: LINE + 'x'.repeat(MAX_ROW_BYTES + 1) },
      {
        status: 413,
        code: 'row_too_large',
        detail: `row 1 is longer than ${MAX_ROW_BYTES} bytes`,
        limit_bytes: MAX_ROW_BYTES,
      },
    ],
    [
      'length of a row of JSON',
      { query: '&on_invalid=report', body: `["${'x'.repeat(MAX_ROW_BYTES)}"]` },
      { status: 413, code: 'row_too_large', detail: `row 0 is longer than ${MAX_ROW_BYTES} bytes` },
    ],
    [
      'length of a record',
      { type: CSV, body: `${HEADER}\n"${'x\n'.repeat(MAX_ROW_BYTES)}` },
      {
        status: 413,
        code: 'row_too_large',
        detail: `row 0 is longer than ${MAX_ROW_BYTES} bytes (is a quote left open?)`,
      },
    ],
    [
      'length of a header line',
      { type: CSV, body: 'x'.repeat(MAX_ROW_BYTES + 1) },
      { detail: `the header line is longer than ${MAX_ROW_BYTES} bytes (is a quote left open?)` },
    ],
    [
      'columns of a header line',
      { type: CSV, body: `${HEADER}${',x'.repeat(MIB / 2)}\n` },
      { status: 400, code: 'duplicate_column', detail: 'the header names the column "x" twice' },
    ],
    [
      'fields of a record',
      { ...refuse, type: CSV, body: `${HEADER}\n${','.repeat(MIB)}\n` },
      { errors: [{ row: 0, code: 'wrong_length', message: `expected 4 fields, got ${MIB + 1}` }] },
    ],
    [
      'members of a row',
      {
        body: JSON.stringify([
          { ...ROW, ...Object.fromEntries(Array.from({ length: 50_000 }, (_, at) => [`k${at}`, at])) },
        ]),
      },
      {
        status: 422,
        errors: [
          {
            row: 0,
            pointer: '/0/k0',
            code: 'unknown_feature',
            message: expect.stringMatching(/^k0: the model has no such feature; .*; and 49995 more$/),
          },
        ],
      },
    ],
    [
      'length of the name of a member',
      { body: `{"inputs":[],"${'x'.repeat(MIB)}":1}` },
      { code: 'unknown_parameter', detail: `there is no member "${'x'.repeat(39)}…"` },
    ],
    [
      'digits of a number',
      { body: `[{"sepal_length":${DIGITS},"sepal_width":1,"petal_length":1,"petal_width":1}]` },
      {
        errors: [
          {
            row: 0,
            pointer: '/0/sepal_length',
            code: 'out_of_range',
            message: expect.stringMatching(/^sepal_length: Infinity is outside/),
          },
        ],
      },
    ],
    [
      'digits of a number in CSV',
      { ...refuse, type: CSV, body: `${HEADER}\n${DIGITS},1,1,1\n` },
      { errors: [{ row: 0, code: 'out_of_range', message: expect.stringMatching(/: Infinity is outside/) }] },
    ],
    [
      'digits of an id',
      { body: JSON.stringify([{ ...ROW, id: 0 }]).replace('"id":0', `"id":${DIGITS}`) },
      {
        errors: [
          { row: 0, pointer: '/0/id', code: 'invalid_id', message: expect.stringMatching(/got Infinity$/) },
        ],
      },
    ],
    [
      'length of an id',
      { body: JSON.stringify([{ ...ROW, id: 'x'.repeat(257) }]) },
      {
        errors: [
          {
            row: 0,
            pointer: '/0/id',
            code: 'invalid_id',
            message: expect.stringMatching(/^id must be a string of at most 256 characters/),
          },
        ],
      },
    ],
  ])('%s', async (_name, sent, expected) => {
    const { body } = await submit(sent);
    expect(body).toMatchObject(expected);
  });
});

describe('gzip', () => {
  const headers = { 'content-encoding': 'gzip' };
  const BLANKS = Buffer.from(' \t\r\n');

  async function gzipOf(text: string, times: number): Promise<Buffer> {
    const pieces = Readable.from(Array(times).fill(text)).pipe(createGzip());
    return Buffer.concat(await pieces.toArray());
  }

  it.each(['', '&validate_only=true'])('that inflates without end is refused early %s', async (query) => {
    const body = await gzipOf('\n'.repeat(MIB), 40);
    const answer = await submit({ query, type: NDJSON, body, headers });
    expect(answer.body).toMatchObject({
      status: 413,
      code: 'body_too_large',
      detail: 'the body inflates to more than 200 times its size; send it without gzip',
      limit_ratio: 200,
    });
  });

  it('may inflate to its first 16 MiB as it likes', async () => {
    const body = gzipSync(Buffer.concat([Buffer.from(LINE), Buffer.alloc(16 * MIB - LINE.length, '\n')]));
    expect(body.length * 200).toBeLessThan(16 * MIB);
    await submit({ type: NDJSON, body, headers }).expect(202);
  });

  it('that inflates less passes, whatever its size', async () => {
    const blanks = randomBytes(17 * MIB).map((byte) => BLANKS[byte % BLANKS.length] as number);
    const body = gzipSync(Buffer.concat([Buffer.from(LINE), blanks]), { level: 1 });
    await submit({ type: NDJSON, body, headers }).expect(202);
  });
});

describe('names that objects inherit', () => {
  it.each<[string, Sent]>([
    ['a row', { body: '[{"__proto__":1,"constructor":2,"toString":"__proto__","id":"__proto__"}]' }],
    ['a row without what has a default', { body: '[{"__proto__":1,"toString":"valueOf"}]' }],
    ['an envelope', { body: '{"model":"constructor@hasOwnProperty","inputs":[[1,2,"valueOf"]]}' }],
    ['a line', { ...refuse, type: NDJSON, body: '{"__proto__":1,"toString":"valueOf"}\n' }],
    ['columns', { ...refuse, type: CSV, body: 'toString,id,__proto__\n__proto__,constructor,1\n' }],
  ])('are the names of features, categories and ids in %s', async (_name, sent) => {
    for (const model of ['constructor', 'constructor@1', 'constructor@hasOwnProperty']) {
      if (sent.body.includes('inputs') && model !== 'constructor@hasOwnProperty') continue;
      const { body } = await submit({ model, ...sent }).expect(202);
      expect(body.model).toBe('constructor@1');
    }
  });

  it('are those of an unknown model, alias, feature, category and parameter', async () => {
    const row = '[{"__proto__":1,"toString":"valueOf"}]';
    const cases: [Sent, object][] = [
      [{ model: 'toString', body: row }, { code: 'unknown_model' }],
      [{ model: '__proto__', body: row }, { code: 'unknown_model' }],
      [{ model: 'constructor@toString', body: row }, { code: 'unknown_model' }],
      [{ model: 'iris@constructor', body: row }, { code: 'unknown_model' }],
      [
        { query: '&__proto__=1', body: row },
        { code: 'unknown_parameter', parameter: '__proto__' },
      ],
      [
        { query: '&constructor=1', body: row },
        { code: 'unknown_parameter', parameter: 'constructor' },
      ],
      [{ body: `{"__proto__":1,"inputs":${row}}` }, { code: 'unknown_parameter', parameter: '__proto__' }],
      [{ type: 'constructor', body: row }, { code: 'unsupported_media_type' }],
      [{ type: '__proto__', body: row }, { code: 'unsupported_media_type' }],
      [{ body: row, headers: { 'content-encoding': 'constructor' } }, { code: 'unsupported_encoding' }],
      [
        { model: 'constructor', body: row.replace('valueOf', 'toString') },
        { errors: [{ code: 'unknown_category', pointer: '/0/toString' }] },
      ],
      [
        { model: 'constructor', body: '[{"hasOwnProperty":1,"__proto__":1,"toString":"valueOf"}]' },
        { errors: [{ code: 'unknown_feature', pointer: '/0/hasOwnProperty' }] },
      ],
      [
        { model: 'constructor', body: '[{"__proto__":{"__proto__":1,"toString":"valueOf"}}]' },
        { errors: [{ code: 'wrong_type', pointer: '/0/__proto__' }] },
      ],
      [
        { model: 'constructor', type: CSV, body: 'toString,__proto__,valueOf\n' },
        { code: 'unknown_column', detail: 'the model has no feature "valueOf"' },
      ],
    ];
    for (const [sent, expected] of cases) expect((await submit(sent)).body).toMatchObject(expected);
  });

  it('are in the documents of the model', async () => {
    const { body } = await request(harness.app).get('/v1/models/constructor@hasOwnProperty').expect(200);
    expect(body).toMatchObject({ model: 'constructor@1', aliases: ['hasOwnProperty'] });
    expect(body.row_schema.anyOf[0].required).toEqual(['__proto__', 'toString']);
    const text = (await request(harness.app).get('/openapi.json').expect(200)).text;
    const { schemas } = JSON.parse(text).components;
    const { properties } = schemas['constructor.v1.Row'].anyOf[0];
    expect(Object.keys(properties).sort()).toEqual(['__proto__', 'constructor', 'id', 'toString']);
    expect(Object.keys(schemas['constructor.v1.Prediction'].properties)).toEqual([
      '__proto__',
      'constructor',
    ]);
  });
});
