import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { toNdjson } from '../fixtures/iris.js';
import { identityModel, type OnnxShape, type OnnxType, onnxModel } from '../fixtures/onnx-graph.js';
import { TestPlatform } from '../fixtures/platform.js';

/** Values of each element type that come back as they went in, the edges among them. */
const VALUES: Partial<Record<OnnxType, unknown[]>> = {
  float32: [0, -1.5, 3.4028235e38, 1e-45, 0.1, 16777216],
  float64: [0, -1.5, 1.7976931348623157e308, 5e-324, 0.1, 9007199254740992],
  float16: [0, -1.5, 65504, 6e-8, 0.1, 2048],
  int8: [0, -128, 127, 1, -1, 100],
  uint8: [0, 255, 128, 1, 2, 100],
  int16: [0, -32768, 32767, 1, -1, 100],
  uint16: [0, 65535, 32768, 1, 2, 100],
  int32: [0, -2147483648, 2147483647, 1, -1, 100],
  uint32: [0, 4294967295, 2147483648, 1, 2, 100],
  int64: [0, '-9223372036854775808', '9223372036854775807', 9007199254740991, -1, 100],
  uint64: [0, '18446744073709551615', '9223372036854775808', 9007199254740991, 2, 100],
  bool: [true, false, true, true, false, false],
  string: ['', 'a', 'ünïcödé 🌸', '"quoted"', 'line\nbreak', 'a,b'],
};
/** Of one row, by rank of the tensor. */
const SHAPES: Record<number, number[]> = { 1: [], 2: [3], 3: [2, 3], 4: [2, 1, 3] };
/** What a rank does is the same for all that are kept alike: numbers, texts, and bytes that are told as true and false. */
const OF_EVERY_RANK = new Set(['float32', 'string', 'bool']);
const CASES = Object.keys(VALUES).flatMap((type, at) =>
  Object.keys(SHAPES)
    .filter((_, place, { length }) => OF_EVERY_RANK.has(type) || place === at % length)
    .map((rank): [OnnxType, number] => [type as OnnxType, Number(rank)]),
);

const directory = mkdtempSync(join(tmpdir(), 'millrace-e2e-'));
const models = join(directory, 'models');
let platform: TestPlatform;

beforeAll(async () => {
  mkdirSync(models);
  const write = (name: string, bytes: Uint8Array) => writeFileSync(join(models, `${name}.onnx`), bytes);
  for (const [type, rank] of CASES) {
    const shape: OnnxShape = [rank % 2 === 0 ? 'rows' : null, ...(SHAPES[rank] ?? [])];
    write(`${type}-${rank}`, identityModel(type, shape));
  }
  write('one-at-a-time', identityModel('float32', [1, 2]));
  write('four-at-a-time', identityModel('float32', [4, 2]));
  write('any-length', identityModel('int64', ['rows', 'length']));
  write('any-image', identityModel('float32', ['rows', 1, null, null]));
  write('columns', COLUMNS);
  write('no-shape-given', NO_SHAPE);
  write('broken', identityModel('float32', [null]).subarray(0, -5));
  platform = await TestPlatform.start(directory, 1, { MODELS_DIR: models });
});
afterAll(async () => {
  await platform.stop();
  rmSync(directory, { recursive: true });
});

/** Two columns of different types, as skl2onnx exports a pipeline. */
const COLUMNS = onnxModel({
  inputs: [
    { name: 'age', type: 'float32', shape: ['rows', 1] },
    { name: 'city', type: 'string', shape: ['rows', 1] },
  ],
  outputs: [
    { name: 'out_age', type: 'float32', shape: ['rows', 1] },
    { name: 'out_city', type: 'string', shape: ['rows', 1] },
  ],
  nodes: [
    { op: 'Identity', inputs: ['age'], outputs: ['out_age'] },
    { op: 'Identity', inputs: ['city'], outputs: ['out_city'] },
  ],
});

/** An output of which the graph does not even give the rank. */
const NO_SHAPE = onnxModel({
  inputs: [{ name: 'x', type: 'float32', shape: ['rows', 2] }],
  outputs: [{ name: 'y', type: 'float32' }],
  nodes: [{ op: 'Reshape', inputs: ['x', 'shape'], outputs: ['y'] }],
  initializers: [
    {
      name: 'shape',
      type: 'int64',
      dims: [3],
      data: new Uint8Array(BigInt64Array.of(-1n, 2n, 1n).buffer),
    },
  ],
});

/** A row of a shape whose values begin at `first` in the list and go round. */
function rowOf(values: readonly unknown[], shape: readonly number[], first: number): unknown {
  const [size, ...inner] = shape;
  if (size === undefined) return values[first % values.length];
  const step = inner.reduce((a, b) => a * b, 1);
  return Array.from({ length: size }, (_, at) => rowOf(values, inner, first + at * step));
}

async function predict(
  model: string,
  rows: readonly unknown[],
): Promise<{ predictions: unknown[]; errors: unknown[] }> {
  const id = await platform.submit(`/batch-predict?model=${model}`, 'application/x-ndjson', toNdjson(rows));
  const { predictions, errors } = await platform.finished(id);
  return { predictions, errors };
}

describe('a bare ONNX file', () => {
  it.each(CASES)('of %s and rank %i is served: every value comes back', async (type, rank) => {
    const values = VALUES[type] ?? [];
    const rows = values.map((_, first) => rowOf(values, SHAPES[rank] ?? [], first));
    expect(await predict(`${type}-${rank}`, rows)).toEqual({ predictions: rows, errors: [] });
    const byName = rows.map((x) => ({ x }));
    expect(await predict(`${type}-${rank}`, byName)).toEqual({ predictions: rows, errors: [] });
  });

  it.each(['one-at-a-time', 'four-at-a-time'])('that takes %s is run in steps', async (model) => {
    const rows = Array.from({ length: 10 }, (_, at) => [at, at / 2]);
    expect((await predict(model, rows)).predictions).toEqual(rows);
    expect(
      await predict(model, [
        [1, 2],
        ['x', 1],
        [3, 4],
      ]),
    ).toMatchObject({
      predictions: [[1, 2], null, [3, 4]],
      errors: [{ row: 1, code: 'wrong_type', message: 'x[0]: expected a number, got the string "x"' }],
    });
  });

  it('of open dimensions takes rows of different sizes in one batch, in order', async () => {
    const rows = [[1, 2, 3], [4], [5, 6], [7], [], [8, 9, 10]];
    expect(await predict('any-length', rows)).toMatchObject({
      predictions: [[1, 2, 3], [4], [5, 6], [7], null, [8, 9, 10]],
      errors: [{ row: 4, code: 'wrong_length', message: 'x: is empty' }],
    });
    const images = [
      [
        [
          [1, 2],
          [3, 4],
        ],
      ],
      [[[5]]],
      [[[6, 7]]],
    ];
    expect((await predict('any-image', images)).predictions).toEqual(images);
  });

  it('with a tensor for each column takes rows by column name', async () => {
    const body = 'city,age\nParis,31\n"a, b",32.5\n';
    const id = await platform.submit('/batch-predict?model=columns', 'text/csv', body);
    await platform.finished(id);
    const response = await fetch(`${platform.url}/batch-result/${id}?outputs=all`);
    expect(((await response.json()) as { predictions: unknown }).predictions).toEqual([
      { out_age: 31, out_city: 'Paris' },
      { out_age: 32.5, out_city: 'a, b' },
    ]);
  });

  it('that does not say the shape of its output shows it when it is tried', async () => {
    expect((await predict('no-shape-given', [[1, 2]])).predictions).toEqual([[[1], [2]]]);
  });

  it('that is broken is named, with the reason, and refused', async () => {
    const reason = 'broken.onnx is cut off';
    const shown = await fetch(`${platform.url}/v1/models/broken`);
    expect(await shown.text()).toContain(reason);
    const submitted = await fetch(`${platform.url}/batch-predict?model=broken`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '[1]',
    });
    expect([submitted.status, await submitted.text()]).toEqual([404, expect.stringContaining(reason)]);
  });
});
