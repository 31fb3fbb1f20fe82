import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { IRIS_MODEL_PATH } from '../../../test/fixtures/iris.js';
import { identityModel, onnxModel } from '../../../test/fixtures/onnx-graph.js';
import { InferencePool } from '../dist/inference/pool.js';
import { type Serving, useServing } from './serving.js';

const serving = useServing();

const firstOf = (list: unknown) => (list as Record<string, unknown>[])[0] ?? {};
const iris = () => readFileSync(IRIS_MODEL_PATH);
const VALUE = { name: 'x', type: 'float32' as const, shape: ['n', 2] };
/** A graph of one node. */
const graph = (op: string, change: Partial<Parameters<typeof onnxModel>[0]> = {}) =>
  onnxModel({
    inputs: [VALUE],
    outputs: [{ ...VALUE, name: 'y' }],
    nodes: [{ op, inputs: ['x'], outputs: ['y'] }],
    ...change,
  });

it('tells ONNX Runtime to report nothing to its makers', async () => {
  delete process.env.ORT_DISABLE_TELEMETRY;
  await new InferencePool(1).stop();
  expect(process.env.ORT_DISABLE_TELEMETRY).toBe('1');
});

describe('the model directory', () => {
  it('serves every version whose samples come out, with its digest, its speed and an example', async () => {
    serving.copyIris('iris/1');
    serving.copyIris('iris/2');
    await serving.open();
    expect(serving.refused()).toEqual([]);
    expect(serving.served()).toEqual(['iris@1', 'iris@2']);
    const [model] = serving.registry.models.served;
    expect(model?.digest).toMatch(/^[0-9a-f]{64}$/);
    expect(model?.seconds_per_row).toBeGreaterThan(0);
    const example = { sepal_length: 5.1, sepal_width: 3.5, petal_length: 1.4, petal_width: 0.2 };
    expect(model?.example).toEqual(example);
    expect((await serving.predict('iris@2', [example])).predictions).toEqual([0]);
  });

  it('serves a bare file, and one alone in its folder whatever its name', async () => {
    serving.write('twice.onnx', graph('Identity'));
    serving.write('other/3/export.onnx', graph('Identity'));
    await serving.open();
    expect(serving.served()).toEqual(['other@3', 'twice@1']);
    expect((await serving.predict('twice@1', [[1, 2]])).predictions).toEqual([[1, 2]]);
  });

  it('passes over what is no model: files, hidden folders, caches, data', async () => {
    serving.copyIris('iris/1');
    for (const folder of ['__pycache__/x', '.git/1', 'iris/data']) {
      mkdirSync(join(serving.directory, folder), { recursive: true });
    }
    serving.write('iris/train.py', '');
    serving.write('README.md', '');
    await serving.open();
    expect([serving.served(), serving.refused()]).toEqual([['iris@1'], []]);
  });

  it('serves a version without samples, with an example made from its manifest', async () => {
    serving.copyIris('bare/1');
    rmSync(join(serving.directory, 'bare/1/samples.json'));
    await serving.open();
    const example = { sepal_length: 1, sepal_width: 1, petal_length: 1, petal_width: 1 };
    expect(serving.registry.models.served[0]?.example).toEqual(example);
  });

  it('serves a version that takes no row tried, and says what is doubtful about it', async () => {
    // Kernels of 3 × 3 fit no image of one pixel; the manifest says no other size.
    const bytes = onnxModel({
      inputs: [{ name: 'image', type: 'float32', shape: ['n', 1, 1, 1] }],
      outputs: [{ name: 'y', type: 'float32', shape: ['n', 1, null, null] }],
      nodes: [{ op: 'Conv', inputs: ['image', 'w'], outputs: ['y'] }],
      initializers: [{ name: 'w', type: 'float32', dims: [1, 1, 3, 3], data: new Uint8Array(36) }],
    });
    serving.write('conv.onnx', bytes);
    await serving.open();
    expect(serving.refused()).toEqual([]);
    expect(serving.registry.models.served).toMatchObject([
      { doubt: expect.stringMatching(/^no example row was found/) },
    ]);
  });

  it.each<[string, string, (folder: string) => void, string | RegExp]>([
    [
      'a name that no URL takes',
      'a b/1',
      () => {},
      /^a model's name is letters, digits, dots, dashes and underscores/,
    ],
    ['a version that is no number', 'x/v1', () => {}, 'a version folder is named by a whole number from 1'],
    [
      'no model',
      'x/1',
      (folder) => rmSync(join(serving.directory, folder, 'model.onnx')),
      'there is no model.onnx',
    ],
    [
      'two models of other names',
      'x/1',
      (folder) => {
        rmSync(join(serving.directory, folder, 'model.onnx'));
        for (const name of ['a', 'b']) serving.write(`${folder}/${name}.onnx`, iris());
      },
      'there are 2 ONNX files and none is named model.onnx',
    ],
    [
      'a manifest that is not JSON',
      'x/1',
      (folder) => serving.write(`${folder}/model.json`, '{'),
      /^model\.json is not JSON: /,
    ],
    [
      'a misspelled key',
      'x/1',
      (folder) =>
        serving.edit(`${folder}/model.json`, (m) => {
          m.outptus = [];
        }),
      'model.json does not hold: unknown key "outptus"; did you mean "outputs"?',
    ],
    [
      'a primary that is no output',
      'x/1',
      (folder) =>
        serving.edit(`${folder}/model.json`, (m) => {
          m.primary = 'lable';
        }),
      '"lable" is not one of the outputs; did you mean "label"?',
    ],
    [
      'an input the graph does not have',
      'x/1',
      (folder) =>
        serving.edit(`${folder}/model.json`, (m) => {
          m.inputs = [{ name: 'feature' }];
        }),
      'the graph has no input "feature"; did you mean "features"?',
    ],
    [
      'one feature too few',
      'x/1',
      (folder) =>
        serving.edit(`${folder}/model.json`, (m) => {
          (m.features as unknown[]).pop();
        }),
      'input "features" is [?, 4], the features fill 3 values per row',
    ],
    [
      'an output of another type',
      'x/1',
      (folder) =>
        serving.edit(`${folder}/model.json`, (m) => {
          firstOf(m.outputs).type = 'int32';
        }),
      'output "label" is int64 in the graph, int32 in model.json',
    ],
    [
      'a sample that does not come out',
      'x/1',
      (folder) =>
        serving.edit(`${folder}/samples.json`, (s) => {
          firstOf(s.samples).outputs = { label: 2 };
        }),
      'sample 0: label is ["0"], known to be 2',
    ],
    [
      'a sample that is no row',
      'x/1',
      (folder) =>
        serving.edit(`${folder}/samples.json`, (s) => {
          firstOf(s.samples).row = { sepal_length: 'long' };
        }),
      /^sample 0 is no valid row: sepal_length: expected a number, got the string "long"; sepal_width: is missing/,
    ],
  ])('refuses a folder with %s, says why, and serves the others', async (_name, path, change, reason) => {
    serving.copyIris('iris/1');
    serving.copyIris(path);
    change(path);
    await serving.open();
    expect(serving.served()).toEqual(['iris@1']);
    expect(serving.refused()).toEqual([expect.stringContaining(`${path}: `)]);
    const said = serving.refused()[0]?.slice(path.length + 2);
    if (typeof reason === 'string') expect(said).toBe(reason);
    else expect(said).toMatch(reason);
  });
});

describe('an ONNX file', () => {
  const external = (location: string): Uint8Array =>
    graph('Add', {
      nodes: [{ op: 'Add', inputs: ['x', 'w'], outputs: ['y'] }],
      initializers: [{ name: 'w', type: 'float32', dims: [2], data: { location } }],
    });
  const refusals: [string, (write: Serving['write']) => void, string | RegExp][] = [
    ['is empty', (write) => write('x/1/model.onnx', ''), 'model.onnx is empty'],
    ['is text', (write) => write('x/1/model.onnx', 'not a model'), 'model.onnx is not an ONNX file'],
    [
      'is a pointer of Git LFS',
      (write) => write('x/1/model.onnx', 'version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\n'),
      'model.onnx is a Git LFS pointer and not the model; fetch it with "git lfs pull"',
    ],
    [
      'is cut off in its middle',
      (write) => write('x/1/model.onnx', iris().subarray(0, 30_000)),
      /^model\.onnx is cut off: a field of \d+ bytes has only \d+ left; copy it again$/,
    ],
    [
      'lacks its last byte',
      (write) => write('x/1/model.onnx', iris().subarray(0, -1)),
      /^model\.onnx is cut off: /,
    ],
    [
      'asks for an opset to come',
      (write) => write('x/1/model.onnx', graph('Identity', { opset: 99 })),
      /^the graph asks for opset 99 of ai\.onnx, ONNX Runtime 1\.\d+\.\d+ knows them up to \d+; export it with a lower target_opset$/,
    ],
    [
      'has an operator that nobody knows',
      (write) => write('x/1/model.onnx', graph('Divine')),
      /^ONNX Runtime 1\.\d+\.\d+ refuses the graph: .*No Op registered for Divine/,
    ],
    [
      'has an element type that is not served',
      (write) => write('x/1/model.onnx', identityModel('bfloat16', ['n'])),
      /^the graph takes or gives a type that is not served; those that are: float32, float64,/,
    ],
    [
      'gives a sequence',
      (write) =>
        write(
          'x/1/model.onnx',
          graph('SequenceConstruct', { outputs: [{ ...VALUE, name: 'y', sequence: true }] }),
        ),
      'output "y" is a sequence or a map, not a tensor; export it as a tensor (scikit-learn: options zipmap=False)',
    ],
    [
      'has no batch dimension',
      (write) => write('x/1/model.onnx', identityModel('float32', [])),
      'input "x" is a single value without a batch dimension; make it a constant of the graph, or give it a first dimension for the rows',
    ],
    [
      'sums over the rows',
      (write) =>
        write(
          'x/1/model.onnx',
          graph('ReduceSum', {
            outputs: [{ name: 'y', type: 'float32' }],
            nodes: [{ op: 'ReduceSum', inputs: ['x'], outputs: ['y'], attributes: { keepdims: 0 } }],
          }),
        ),
      'output "y" is a single value for 2 rows: it does not hold one answer per row; leave it out of "outputs" in model.json, or export the model with one answer per row',
    ],
    [
      'keeps data outside of its folder',
      (write) => {
        write('x/weights.bin', new Uint8Array(8));
        write('x/1/model.onnx', external('../weights.bin'));
      },
      'model.onnx keeps data in "../weights.bin", outside of its folder',
    ],
    [
      'keeps data at an absolute path',
      (write) => write('x/1/model.onnx', external('/etc/hostname')),
      'model.onnx keeps data in "/etc/hostname", outside of its folder',
    ],
    [
      'keeps data in a file that is not there',
      (write) => write('x/1/model.onnx', external('weights.bin')),
      'model.onnx keeps data in "weights.bin", which is not there',
    ],
  ];

  it.each(refusals)('that %s is refused by name, and everything else is served', async (_, write, reason) => {
    serving.copyIris('iris/1');
    write(serving.write);
    await serving.open();
    expect(serving.served()).toEqual(['iris@1']);
    const [refusal = ''] = serving.refused();
    const said = refusal.slice('x/1: '.length);
    expect(refusal.startsWith('x/1: ')).toBe(true);
    if (typeof reason === 'string') expect(said).toBe(reason);
    else expect(said).toMatch(reason);
  });

  it('may keep data beside itself', async () => {
    serving.write('x/1/weights.bin', new Uint8Array(Float32Array.of(1, 2).buffer));
    serving.write('x/1/model.onnx', external('weights.bin'));
    await serving.open();
    expect((await serving.predict('x@1', [[10, 20]])).predictions).toEqual([[11, 22]]);
  });
});
