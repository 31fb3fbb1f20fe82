/** Bodies of columns: Arrow streams and Parquet files. */
import { readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { type DataType, Float32, Float64, Int64, Utf8 } from 'apache-arrow';
import { parquetWriteBuffer } from 'hyparquet-writer';
import request from 'supertest';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { tableStream } from '../../../packages/columnar/test/arrow-stream.js';
import { useRedis } from '../../../test/fixtures/redis.js';
import { ParquetBodies } from '../dist/submit/parquet-bodies.js';
import { type Harness, LIMITS, startHarness } from './harness.js';
import { ARROW } from './numbered-rows.js';

const PARQUET = 'application/vnd.apache.parquet';
const FEATURES = ['sepal_length', 'sepal_width', 'petal_length', 'petal_width'];
const redis = useRedis();
const keys = redis.freshKeys();
let harness: Harness;

beforeAll(async () => {
  harness = await startHarness(redis.url, keys);
});
afterAll(() => harness.stop());

const numbers = (rows: number, bad = -1) =>
  Array.from({ length: rows }, (_, row) => (row === bad ? 99 : row % 7));
const columnsOf = (rows: number, type: DataType = new Float64(), bad = -1) =>
  FEATURES.map((name) => ({ name, type, values: numbers(rows, bad) }));
const arrow = (rows: number, bad = -1) => Buffer.from(tableStream(columnsOf(rows, new Float32(), bad), 9));
const parquet = (rows: number, bad = -1) =>
  Buffer.from(
    parquetWriteBuffer({
      columnData: FEATURES.map((name) => ({ name, data: Float64Array.from(numbers(rows, bad)) })),
    }),
  );
const submit = (type: string, body: Buffer, query = '', headers: Record<string, string> = {}) =>
  request(harness.app)
    .post(`/batch-predict?model=iris${query}`)
    .set({ 'content-type': type, ...headers })
    .send(body);

describe.each([
  [ARROW, arrow],
  [PARQUET, parquet],
] as const)('%s', (type, bodyOf) => {
  it('is taken and cut into chunks of columns', async () => {
    const { body } = await submit(type, bodyOf(25)).expect(202);
    expect(body.rows).toMatchObject({ total: 25, pending: 25 });
    expect(await harness.store.read(body.task_id)).toMatchObject({ format: 'arrow', chunks: 3 });
  });

  it('is taken with gzip', async () => {
    const { body } = await submit(type, gzipSync(bodyOf(25)), '', { 'content-encoding': 'gzip' }).expect(202);
    expect(body.rows).toMatchObject({ total: 25 });
  });

  it('is checked, row by row, by a dry run', async () => {
    const { body } = await submit(type, bodyOf(25, 13), '&validate_only=true').expect(200);
    expect(body).toMatchObject({
      rows: 25,
      valid: 24,
      would_be_accepted: true,
      errors: [{ row: 13, code: 'out_of_range' }],
    });
  });

  it('is refused for one bad row with on_invalid=reject, and taken without one', async () => {
    const { body } = await submit(type, bodyOf(25, 13), '&on_invalid=reject').expect(422);
    expect(body).toMatchObject({
      code: 'invalid_rows',
      invalid_rows: 1,
      errors: [{ row: 13, code: 'out_of_range' }],
    });
    const accepted = await submit(type, bodyOf(25), '&on_invalid=reject').expect(202);
    expect(accepted.body.rows).toMatchObject({ total: 25 });
  });

  it('is the same task again under one key', async () => {
    const key = { 'idempotency-key': `"${type}"` };
    const [first, again] = [await submit(type, bodyOf(5), '', key), await submit(type, bodyOf(5), '', key)];
    expect(again.body.task_id).toBe(first.body.task_id);
    expect((await submit(type, bodyOf(6), '', key)).body.code).toBe('idempotency_key_reused');
  });

  it('is refused where it is broken, and when it has no row', async () => {
    const whole = bodyOf(25);
    const { body } = await submit(type, whole.subarray(0, -20)).expect(400);
    expect(body.code).toBe('malformed_body');
    expect((await submit(type, Buffer.from('no frame'))).body.code).toBe('malformed_body');
    expect((await submit(type, Buffer.alloc(0))).body.code).toBe('malformed_body');
    expect((await submit(type, bodyOf(0))).body.code).toBe('empty_batch');
  });
});

describe('columns', () => {
  const [first, ...others] = columnsOf(2);
  const refused: [string, Buffer, object][] = [
    [
      'one that is missing',
      tableStream(others),
      { status: 400, code: 'missing_column', detail: 'the schema lacks "sepal_length"' },
    ],
    [
      'one too many',
      tableStream([...columnsOf(2), { name: 'sepal_lenght', type: new Float64(), values: [1, 2] }]),
      { status: 400, code: 'unknown_column', detail: 'the model has no feature "sepal_lenght"' },
    ],
    [
      'one of a type that its feature cannot be',
      tableStream([{ name: 'sepal_length', type: new Utf8(), values: ['1', '2'] }, ...others]),
      {
        status: 422,
        code: 'wrong_column_type',
        type: 'urn:millrace:problem:wrong_column_type',
        detail: 'the column "sepal_length" is of the Arrow type string; wanted is an integer or a float',
        column: 'sepal_length',
        column_type: 'string',
      },
    ],
  ].map(([name, bytes, problem]) => [name as string, Buffer.from(bytes as Uint8Array), problem as object]);

  it.each(refused)('are refused for %s', async (_, body, problem) => {
    expect((await submit(ARROW, body)).body).toMatchObject(problem);
  });

  it('may be of integers', async () => {
    const integers = { name: 'sepal_length', type: new Int64(), values: [1n, 2n] };
    expect(first?.name).toBe(integers.name);
    const { body } = await submit(
      ARROW,
      Buffer.from(tableStream([integers, ...others])),
      '&on_invalid=reject',
    );
    expect(body.rows).toMatchObject({ total: 2 });
  });
});

describe('limits', () => {
  it('a record batch that is too large is refused with a way out', async () => {
    const rows = LIMITS.maxBatchBytes / 16;
    const { body } = await submit(ARROW, Buffer.from(tableStream(columnsOf(rows), rows))).expect(413);
    expect(body).toMatchObject({
      code: 'record_batch_too_large',
      limit_bytes: LIMITS.maxBatchBytes,
      detail: expect.stringContaining('max_chunksize'),
    });
  });

  it('a Parquet file that is too large is refused with a way out', async () => {
    const { body } = await submit(PARQUET, Buffer.alloc(LIMITS.maxParquetBytes + 1)).expect(413);
    expect(body).toMatchObject({ code: 'body_too_large', detail: expect.stringContaining('Arrow stream') });
  });

  it('there is an end to a Parquet file that would be unpacked for ever', async () => {
    const bytes = readFileSync(new URL('../../scheduler/test/parquet/snappy.parquet', import.meta.url));
    // Says that more repeated values follow than there are.
    bytes[4052] = 135;
    const unpacked = new ParquetBodies(1e6, 300).unpack(bytes);
    await expect(unpacked.next()).rejects.toMatchObject({ code: 'malformed_body' });
  });
});

it('a result as Arrow cannot be followed', async () => {
  const { body } = await submit(ARROW, arrow(5)).expect(202);
  const call = request(harness.app).get(`/batch-result/${body.task_id}?follow=true`).set('accept', ARROW);
  expect((await call).body).toMatchObject({ status: 400, code: 'conflicting_parameter' });
});
