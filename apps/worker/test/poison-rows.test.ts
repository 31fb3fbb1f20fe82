import type { RowError } from '@millrace/batch/errors';
import type { ChunkResult } from '@millrace/batch/results/encode-chunk';
import type { ChunkSource } from '@millrace/batch/rows/chunk-rows';
import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import { identityModel, onnxModel } from '../../../test/fixtures/onnx-graph.js';
import {
  HEALTHY,
  POISON_MODEL,
  POISON_SAMPLES,
  remainder,
  THROWS,
} from '../../../test/fixtures/poison-model.js';
import { useServing } from './serving.js';

const serving = useServing();

const text = (bytes: Uint8Array | undefined) => new TextDecoder().decode(bytes);
const errorsOf = ({ segments }: ChunkResult): RowError[] => JSON.parse(`[${text(segments.errors)}]`);
const predictionsOf = ({ segments }: ChunkResult): unknown[] => JSON.parse(`[${text(segments.predictions)}]`);
const linesOf = ({ segments }: ChunkResult) => text(segments.lines).trimEnd().split('\n');

/** So many rows that do no harm. */
const healthy = (rows: number): number[] =>
  Array.from({ length: rows }, (_, row) => HEALTHY[row % HEALTHY.length] as number);

async function predict(lines: string[], change: Partial<ChunkSource> = {}): Promise<ChunkResult> {
  const bytes = new TextEncoder().encode(lines.map((line) => `${line}\n`).join(''));
  const source = { format: 'ndjson' as const, firstRow: 0, rows: lines.length, bytes, ...change };
  const [pin = ''] = serving.registry.pins;
  return (await serving.pool.predict({ pin, source })).result;
}

async function open(limits: object = { micro_batch: 256 }): Promise<void> {
  serving.write('poison/1/model.onnx', POISON_MODEL);
  serving.write('poison/1/model.json', { limits });
  serving.write('poison/1/samples.json', POISON_SAMPLES);
  await serving.open();
  expect(serving.refused()).toEqual([]);
}

const failure = (row: number, reason = 'Mod: Integer modulo by zero') => ({
  row,
  code: 'inference_failed',
  message: `the model failed on this row: ${reason}`,
});
const DIVISION = 'Div: Integer division by zero';

describe('rows on which the graph throws', () => {
  beforeEach(() => open());

  it.each([
    ['one in the middle', [7_777]],
    ['the first', [0]],
    ['the last', [16_383]],
    ['several, some side by side', [3, 255, 256, 257, 9_000, 9_001, 16_000]],
    ['none', []],
  ])('stand alone among 16,384: %s', async (_, poison) => {
    const rows = healthy(16_384);
    const undisturbed = linesOf(await predict(rows.map(String)));
    for (const row of poison) rows[row] = THROWS;
    const result = await predict(rows.map(String));
    expect(errorsOf({ ...result, segments: { errors: new Uint8Array(0), ...result.segments } })).toEqual(
      poison.map((row) => failure(row)),
    );
    expect(result.counts).toEqual({ succeeded: 16_384 - poison.length, invalid: 0, failed: poison.length });
    const isHealthy = (_line: string, row: number) => !poison.includes(row);
    expect(linesOf(result).filter(isHealthy)).toEqual(undisturbed.filter(isHealthy));
  });

  it('may be any set of rows: exactly those fail', async () => {
    const sets = fc.array(fc.boolean(), { minLength: 1, maxLength: 1_500 });
    await fc.assert(
      fc.asyncProperty(sets, async (isPoison) => {
        const rows = healthy(isPoison.length).map((x, row) => (isPoison[row] ? THROWS : x));
        const result = await predict(rows.map(String));
        expect(predictionsOf(result)).toEqual(rows.map((x) => (x === THROWS ? null : remainder(x))));
        expect(result.counts.failed).toBe(isPoison.filter(Boolean).length);
      }),
      { numRuns: 40 },
    );
  });

  it('keep their ids and their order among rows that are invalid', async () => {
    const lines = ['{"x":2,"id":"a"}', '{"x":0,"id":"b"}', 'nothing', '{"x":0}', '{"x":"2","id":4}', '3'];
    const result = await predict(lines, { firstRow: 100 });
    expect(errorsOf(result).map(({ row, id, code }) => [row, id, code])).toEqual([
      [101, 'b', 'inference_failed'],
      [102, undefined, 'malformed_json'],
      [103, undefined, 'inference_failed'],
      [104, 4, 'wrong_type'],
    ]);
    expect(result.counts).toEqual({ succeeded: 2, invalid: 2, failed: 2 });
    expect(linesOf(result)[0]).toBe(`{"row":100,"id":"a","prediction":${remainder(2)}}`);
  });

  it('come in CSV as well', async () => {
    const result = await predict(['0,a', '5,b', '0,', '7,d'], { format: 'csv', columns: [0, 'id'] });
    expect(predictionsOf(result)).toEqual([null, remainder(5), null, remainder(7)]);
    expect(errorsOf(result)).toEqual([{ ...failure(0), id: 'a' }, failure(2)]);
  });

  it('may be all: each still has its own error', async () => {
    const result = await predict(new Array(700).fill('0'));
    expect(errorsOf(result)).toEqual(Array.from({ length: 700 }, (_, row) => failure(row)));
  });

  it('may be so many that the rest is left at that, in parts, once nothing at all could be predicted', async () => {
    const result = await predict(new Array(16_384).fill('0'));
    expect(result.counts).toEqual({ succeeded: 0, invalid: 0, failed: 16_384 });
    const messages = new Set(errorsOf(result).map(({ message }) => message));
    expect([...messages].every((each) => / on this row and \d+ beside it: Mod: /.test(each))).toBe(true);
  });

  it('are found among ever so many others, as long as some can be predicted', async () => {
    const rows = healthy(16_384).map((x, row) => (row < 16_000 ? THROWS : x));
    const result = await predict(rows.map(String));
    expect(result.counts).toEqual({ succeeded: 384, invalid: 0, failed: 16_000 });
    expect(errorsOf(result)).toEqual(Array.from({ length: 16_000 }, (_, row) => failure(row)));
  });
});

it('rows that throw are found where the graph takes just so many at once', async () => {
  // Fixed at four: y = 12 / x.
  const shape = [4];
  serving.write(
    'four/1/model.onnx',
    onnxModel({
      inputs: [{ name: 'x', type: 'int32', shape }],
      outputs: [{ name: 'y', type: 'int32', shape }],
      nodes: [{ op: 'Div', inputs: ['twelve', 'x'], outputs: ['y'] }],
      initializers: [{ name: 'twelve', type: 'int32', dims: [1], data: Uint8Array.of(12, 0, 0, 0) }],
    }),
  );
  await serving.open();
  const result = await predict(['1', '0', '2', '3', '0', '4']);
  expect(predictionsOf(result)).toEqual([12, null, 6, 4, null, 3]);
  expect(errorsOf(result)).toEqual([failure(1, DIVISION), failure(4, DIVISION)]);
});

it('rows that throw are found among rows of many shapes', async () => {
  // The last dimension is 10 / x of each value, of rows as long as they like.
  const shape = ['n', 'm'];
  serving.write(
    'ragged/1/model.onnx',
    onnxModel({
      inputs: [{ name: 'x', type: 'int32', shape }],
      outputs: [{ name: 'y', type: 'int32', shape }],
      nodes: [{ op: 'Div', inputs: ['twelve', 'x'], outputs: ['y'] }],
      initializers: [{ name: 'twelve', type: 'int32', dims: [1], data: Uint8Array.of(12, 0, 0, 0) }],
    }),
  );
  await serving.open();
  const result = await predict(['[[1,2]]', '[[0,2]]', '[[3]]', '[[4,6]]', '[[0]]', '[[1,1,0]]', '[[6]]']);
  expect(predictionsOf(result)).toEqual([[12, 6], null, [4], [3, 2], null, null, [2]]);
  expect(errorsOf(result)).toEqual([1, 4, 5].map((row) => failure(row, DIVISION)));
});

it('a model without fault answers as ever', async () => {
  serving.write('same.onnx', identityModel('float32', ['n']));
  await serving.open();
  const result = await predict(['1', '2']);
  expect([predictionsOf(result), result.segments.errors]).toEqual([[1, 2], undefined]);
});
