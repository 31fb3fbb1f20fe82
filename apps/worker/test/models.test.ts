import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { IRIS_MODEL_PATH } from '../../../test/fixtures/iris.js';
import { InferencePool } from '../dist/inference/pool.js';
import { readModelDirectory } from '../dist/models/model-directory.js';
import { proveModels, type ServedModels } from '../dist/models/served-models.js';

const IRIS = dirname(IRIS_MODEL_PATH);
let models: string;

beforeEach(() => {
  models = mkdtempSync(join(tmpdir(), 'millrace-models-'));
  cpSync(IRIS, join(models, 'iris', '1'), { recursive: true });
});
afterEach(() => rmSync(models, { recursive: true }));

/** A copy of iris@1 under another name, changed. */
function addModel(path: string, change: (folder: string) => void = () => {}): void {
  const folder = join(models, path);
  cpSync(IRIS, folder, { recursive: true });
  change(folder);
}

function editJson(file: string, edit: (content: Record<string, unknown>) => void): (folder: string) => void {
  return (folder) => {
    const content = JSON.parse(readFileSync(join(folder, file), 'utf8'));
    edit(content);
    writeFileSync(join(folder, file), JSON.stringify(content));
  };
}

function firstOf(list: unknown): Record<string, unknown> {
  return (list as Record<string, unknown>[])[0] ?? {};
}

async function serve(): Promise<ServedModels> {
  const { versions, refused } = await readModelDirectory(models);
  const pool = new InferencePool(versions, 1);
  const proved = await proveModels(versions, pool);
  await pool.stop();
  return { served: proved.served, refused: [...refused, ...proved.refused] };
}

it('tells ONNX Runtime to report nothing to its makers', async () => {
  delete process.env.ORT_DISABLE_TELEMETRY;
  await new InferencePool([], 1).stop();
  expect(process.env.ORT_DISABLE_TELEMETRY).toBe('1');
});

describe('the model directory', () => {
  it('serves every version whose samples come out, with its digest and its speed', async () => {
    addModel('iris/2');
    const { served, refused } = await serve();
    expect(refused).toEqual([]);
    expect(served.map(({ name, version }) => [name, version])).toEqual([
      ['iris', 1],
      ['iris', 2],
    ]);
    expect(served[0]?.digest).toMatch(/^[0-9a-f]{64}$/);
    expect(served[0]?.seconds_per_row).toBeGreaterThan(0);
    expect(served[0]?.example).toEqual({
      sepal_length: 5.1,
      sepal_width: 3.5,
      petal_length: 1.4,
      petal_width: 0.2,
    });
  });

  it('passes over what is no model: files, hidden folders, caches', async () => {
    mkdirSync(join(models, '__pycache__', 'x'), { recursive: true });
    mkdirSync(join(models, '.git', '1'), { recursive: true });
    writeFileSync(join(models, 'iris', 'train.py'), '');
    expect(await serve()).toMatchObject({ served: [{ name: 'iris', version: 1 }], refused: [] });
  });

  it('serves a version without samples, with an example made from its manifest', async () => {
    addModel('bare/1', (folder) => rmSync(join(folder, 'samples.json')));
    const { served } = await serve();
    expect(served.find(({ name }) => name === 'bare')?.example).toEqual({
      sepal_length: 0,
      sepal_width: 0,
      petal_length: 0,
      petal_width: 0,
    });
  });

  it.each<[string, string, (folder: string) => void, RegExp]>([
    ['a name that no URL takes', 'a b/1', () => {}, /name must match/],
    ['a version that is no number', 'x/v1', () => {}, /whole number from 1/],
    ['no model', 'x/1', (folder) => rmSync(join(folder, 'model.onnx')), /no model\.onnx/],
    ['no manifest', 'x/1', (folder) => rmSync(join(folder, 'model.json')), /no model\.json/],
    [
      'a manifest that is not JSON',
      'x/1',
      (folder) => writeFileSync(join(folder, 'model.json'), '{'),
      /model\.json does not hold/,
    ],
    [
      'a manifest with an unknown key',
      'x/1',
      editJson('model.json', (m) => {
        m.outptus = [];
      }),
      /outptus/,
    ],
    [
      'a manifest without features',
      'x/1',
      editJson('model.json', (m) => {
        m.features = [];
      }),
      /features/,
    ],
    [
      'a primary that is no output',
      'x/1',
      editJson('model.json', (m) => {
        m.primary = 'species';
      }),
      /"species" is not one of the outputs/,
    ],
    [
      'an input the graph does not have',
      'x/1',
      editJson('model.json', (m) => {
        m.input = { name: 'X' };
      }),
      /inputs are features, the manifest's is X/,
    ],
    [
      'one feature too few',
      'x/1',
      editJson('model.json', (m) => {
        (m.features as unknown[]).pop();
      }),
      /shape/,
    ],
    [
      'an output of another type',
      'x/1',
      editJson('model.json', (m) => {
        firstOf(m.outputs).type = 'int32';
      }),
      /label is int64, not int32/,
    ],
    ['an empty file', 'x/1', (folder) => writeFileSync(join(folder, 'model.onnx'), ''), /./],
    [
      'a file that is no ONNX',
      'x/1',
      (folder) => writeFileSync(join(folder, 'model.onnx'), 'not a model'),
      /./,
    ],
    [
      'half a file',
      'x/1',
      (folder) =>
        writeFileSync(
          join(folder, 'model.onnx'),
          readFileSync(join(folder, 'model.onnx')).subarray(0, 30_000),
        ),
      /./,
    ],
    [
      'a sample that does not come out',
      'x/1',
      editJson('samples.json', (s) => {
        firstOf(s.samples).outputs = { label: 2 };
      }),
      /sample 0: label is 0, known to be 2/,
    ],
    [
      'a sample that is no row',
      'x/1',
      editJson('samples.json', (s) => {
        firstOf(s.samples).row = {};
      }),
      /sample 0 is no valid row/,
    ],
  ])('refuses %s, says why, and serves the others', async (_name, path, change, reason) => {
    addModel(path, change);
    const { served, refused } = await serve();
    expect(served.map(({ name }) => name)).toEqual(['iris']);
    expect(refused).toMatchObject([{ version: path }]);
    expect(refused[0]?.reason).toMatch(reason);
  });
});
