import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { identityModel, type OnnxGraph, onnxModel } from '../../../test/fixtures/onnx-graph.js';
import { useServing } from './serving.js';

const serving = useServing();

const X = { name: 'x', type: 'float32' as const, shape: ['n', 2] };
const Y = { ...X, name: 'y' };
/** A graph of one node from x to y. */
const graph = (op: string, change: Partial<OnnxGraph> = {}, attributes = {}): Uint8Array =>
  onnxModel({
    inputs: [X],
    outputs: [Y],
    nodes: [{ op, inputs: ['x'], outputs: ['y'], attributes }],
    ...change,
  });

/** What is published of the only model. */
async function published(bytes: Uint8Array, manifest?: object) {
  serving.write('m/1/model.onnx', bytes);
  if (manifest !== undefined) serving.write('m/1/model.json', manifest);
  await serving.open();
  expect(serving.refused()).toEqual([]);
  const [model] = serving.registry.models.served;
  if (model === undefined) throw new Error('nothing is served');
  return model;
}

describe('a graph whose rows influence each other', () => {
  // Softmax over the rows, as a graph has it that takes the first dimension for another one than the batch.
  const influenced = graph('Softmax', {}, { axis: 0 });
  const said = /^the rows of a micro-batch influence each other \(output "y"\)/;

  it('is run row by row, so that an answer does not depend on the neighbours', async () => {
    const { manifest, doubt } = await published(influenced);
    expect(manifest.limits.micro_batch).toBe(1);
    expect(doubt).toMatch(said);
    const alone = await serving.predict('m@1', [[1, 2]]);
    const together = await serving.predict('m@1', [
      [1, 2],
      [3, 5],
    ]);
    expect(together.predictions[0]).toEqual(alone.predictions[0]);
  });

  it('is run as model.json says, and the page says what that means', async () => {
    const { manifest, doubt } = await published(influenced, { limits: { micro_batch: 64 } });
    expect(manifest.limits.micro_batch).toBe(64);
    expect(doubt).toContain('"limits": {"micro_batch": 1} in model.json keeps them apart');
  });

  it('is not doubted once it is run row by row', async () => {
    expect((await published(influenced, { limits: { micro_batch: 1 } })).doubt).toBeUndefined();
  });

  it('with a fixed batch is doubted', async () => {
    const shape = [4, 2];
    const { doubt } = await published(
      graph('Softmax', { inputs: [{ ...X, shape }], outputs: [{ ...Y, shape }] }, { axis: 0 }),
    );
    expect(doubt).toContain('takes just 4 at once: is its first dimension the batch?');
  });

  it('is told from one whose rows do not', async () => {
    expect((await published(graph('Softmax', {}, { axis: 1 }))).doubt).toBeUndefined();
  });
});

describe('the example of a graph', () => {
  it('is a row with finite answers, where there is one', async () => {
    // The logarithm of 0 is none.
    const { example, doubt } = await published(graph('Log'));
    expect([example, doubt]).toEqual([{ x: [1, 1] }, undefined]);
    expect((await serving.predict('m@1', [example])).result.counts).toMatchObject({ succeeded: 1 });
  });

  it('is doubted where there is none', async () => {
    const nan = graph('Div', {
      nodes: [
        { op: 'Sub', inputs: ['x', 'x'], outputs: ['zero'] },
        { op: 'Div', inputs: ['zero', 'zero'], outputs: ['y'] },
      ],
    });
    expect((await published(nan)).doubt).toBe('its answers to the rows tried are not finite numbers');
  });
});

describe('what a graph declares of its outputs', () => {
  it('as one answer for all rows is believed only when it is so', async () => {
    // As LightGBM's converter declares its label.
    const declared = graph('Identity', { outputs: [{ ...Y, shape: [1, 2] }] });
    await published(declared);
    expect(
      (
        await serving.predict('m@1', [
          [1, 2],
          [3, 4],
          [5, 6],
        ])
      ).predictions,
    ).toEqual([
      [1, 2],
      [3, 4],
      [5, 6],
    ]);
  });

  it('as of another rank is corrected', async () => {
    const { manifest } = await published(graph('Identity', { outputs: [{ ...Y, shape: ['n'] }] }));
    expect(manifest.outputs).toMatchObject([{ name: 'y', shape: [2] }]);
  });
});

it('a slow graph gets a micro-batch that comes back soon', async () => {
  // Four billion multiplications for a micro-batch of 64.
  const size = 2_000;
  const layers = 16;
  const floats = (length: number) => new Uint8Array(new Float32Array(length).buffer);
  const slow = onnxModel({
    inputs: [{ ...X, shape: ['n', 1] }],
    outputs: [{ ...Y, shape: ['n', size] }],
    nodes: [
      { op: 'MatMul', inputs: ['x', 'wide'], outputs: ['h0'] },
      ...Array.from({ length: layers }, (_, at) => ({
        op: 'MatMul',
        inputs: [`h${at}`, 'square'],
        outputs: [`h${at + 1}`],
      })),
      { op: 'Identity', inputs: [`h${layers}`], outputs: ['y'] },
    ],
    initializers: [
      { name: 'wide', type: 'float32', dims: [1, size], data: floats(size) },
      { name: 'square', type: 'float32', dims: [size, size], data: floats(size * size) },
    ],
  });
  const { manifest, seconds_per_row: secondsPerRow } = await published(slow);
  expect(manifest.limits.micro_batch).toBeLessThan(500);
  expect(secondsPerRow).toBeGreaterThan(1e-5);
});

describe('what is no regular file', () => {
  const fifo = (path: string) => {
    mkdirSync(join(serving.directory, path, '..'), { recursive: true });
    execFileSync('mkfifo', [join(serving.directory, path)]);
  };

  it.each([
    ['pipe.onnx', 'pipe/1: pipe.onnx is not a regular file'],
    ['x/1/model.json', 'x/1: model.json is not a regular file'],
    ['x/1/samples.json', 'x/1: samples.json is not a regular file'],
  ])('is refused and not waited for: %s', async (path, refusal) => {
    serving.write('good.onnx', identityModel('float32', ['n']));
    if (path.startsWith('x/')) serving.write('x/1/model.onnx', identityModel('float32', ['n']));
    fifo(path);
    await serving.open();
    expect([serving.served(), serving.refused()]).toEqual([['good@1'], [refusal]]);
  });

  it('says so as the aliases of a model, too', async () => {
    serving.write('good/1/model.onnx', identityModel('float32', ['n']));
    fifo('good/aliases.json');
    await serving.open();
    expect(serving.registry.models.aliases.good?.problems).toEqual(['aliases.json is not a regular file']);
  });
});

it('the copies that were proved go with the worker, and those of a killed one with the next start', async () => {
  const folders = () => readdirSync(tmpdir()).filter((name) => name.startsWith('millrace-models-'));
  serving.write('good.onnx', identityModel('float32', ['n']));
  serving.write('bad.onnx', graph('Divine'));
  const left = join(tmpdir(), 'millrace-models-999999999-left');
  mkdirSync(left);
  await serving.open();
  expect(existsSync(left)).toBe(false);
  const own = folders().filter((name) => name.startsWith(`millrace-models-${process.pid}-`));
  expect(own).toHaveLength(1);
  expect(readdirSync(join(tmpdir(), own[0] as string))).toHaveLength(1);
  await serving.copies.close();
  expect(existsSync(join(tmpdir(), own[0] as string))).toBe(false);
});

it('rows of different sizes stay together in a fixed batch that they do not fill', async () => {
  const bytes = onnxModel({
    inputs: [
      { name: 'words', type: 'float32', shape: [4, 'length'] },
      { name: 'age', type: 'float32', shape: [4] },
    ],
    outputs: [
      { name: 'words_out', type: 'float32', shape: [4, 'length'] },
      { name: 'age_out', type: 'float32', shape: [4] },
    ],
    nodes: [
      { op: 'Identity', inputs: ['words'], outputs: ['words_out'] },
      { op: 'Identity', inputs: ['age'], outputs: ['age_out'] },
    ],
  });
  await published(bytes, { default_outputs: ['words_out', 'age_out'] });
  const rows = [[1], [2, 2], [3, 3], [4]].map((words, at) => ({ words, age: at }));
  const expected = rows.map(({ words, age }) => ({ words_out: words, age_out: age }));
  expect((await serving.predict('m@1', rows)).predictions).toEqual(expected);
});
