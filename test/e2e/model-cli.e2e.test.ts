import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ManifestFile } from '@millrace/batch/manifest/manifest';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ROOT, shell } from '../fixtures/npm-start.js';
import { identityModel } from '../fixtures/onnx-graph.js';

const folder = mkdtempSync(join(tmpdir(), 'millrace-model-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** What `npm run model` runs once everything is built; its output, and its exit code as the last line. */
const model = (args: string) =>
  shell(`node apps/worker/dist/cli/model-cli.js ${args} 2>&1; echo "exit $?"`, ROOT);

describe('check', () => {
  it('says of a version what a row and a prediction are, runs its samples, and recommends a micro-batch', async () => {
    const said = await model('check models/income/1');
    expect(said).toContain('models/income/1, to be served as income@1\n');
    expect(said).toMatch(/^ {2}age +int +from 0 to 120 years$/m);
    expect(said).toMatch(/^ {2}workclass +category {2}one of \?, Federal-gov, .* \(9\) default \?$/m);
    expect(said).toMatch(/^ {2}workclass +string \[rows, 1\]$/m);
    expect(said).toMatch(/^ {2}label +int64 \[rows\] +shown, classes <=50K, >50K$/m);
    expect(said).toContain('all 18 come out, floats within 0.00001\n');
    expect(said).toMatch(/^ {4}1024 +[\d,]+ {2}█+$/m);
    expect(said).toMatch(/^recommended: "limits": \{"micro_batch": \d+\} \(now \d+\)$/m);
    expect(said).toMatch(/exit 0\n$/);
  });

  it.each(['models/iris', 'models/iris/1', 'models/iris/1/model.onnx'])('takes %s', async (path) => {
    const said = await model(`check ${path}`);
    expect(said.match(/to be served as iris@1/g)).toHaveLength(1);
    expect(said).toMatch(/exit 0\n$/);
  });

  it('names what would not be served, goes on, and fails', async () => {
    const models = join(folder, 'broken');
    cpSync(join(ROOT, 'models/iris'), join(models, 'iris'), { recursive: true });
    mkdirSync(join(models, 'iris/2'));
    writeFileSync(join(models, 'iris/2/model.onnx'), '');
    mkdirSync(join(models, 'iris/latest'));
    writeFileSync(join(models, 'iris/latest/model.onnx'), '');
    const said = await model(`check ${models}`);
    expect(said).toContain('to be served as iris@1\n');
    expect(said).toContain('iris/2: would not be served: model.onnx is empty\n');
    expect(said).toContain(
      'iris/latest: would not be served: a version folder is named by a whole number from 1\n',
    );
    expect(said).toMatch(/exit 1\n$/);
  });

  it.each([
    ['check', /^Usage:/],
    ['check /nowhere', /^there is nothing at \/nowhere\n/],
    ['chekc models', /^Usage:/],
    [`check ${tmpdir()}/millrace-nothing-${process.pid}`, /^there is nothing at /],
  ])('of nothing says so: %s', async (args, said) => {
    const text = await model(args);
    expect(text).toMatch(said);
    expect(text).toMatch(/exit [12]\n$/);
  });
});

describe('init', () => {
  const bare = join(folder, 'export');
  const file = join(bare, 'scores.onnx');
  beforeAll(() => {
    mkdirSync(bare);
    writeFileSync(file, identityModel('float32', ['rows', 4]));
  });

  it('writes a manifest that says what the graph says, and tells what to do next', async () => {
    const said = await model(`init ${file}`);
    expect(said).toContain('"x" is one vector; to name its values, list them as features instead');
    const written = ManifestFile.parse(JSON.parse(readFileSync(join(bare, 'model.json'), 'utf8')));
    expect(written).toMatchObject({
      features: [{ name: 'x', type: 'vector', length: 4, element: 'float' }],
      outputs: [{ name: 'y' }],
      primary: 'y',
    });
    const checked = await model(`check ${bare}`);
    expect(checked).toContain('to be served as scores@1\n');
    expect(checked).toMatch(/exit 0\n$/);
  });

  it('overwrites nothing', async () => {
    const before = readFileSync(join(bare, 'model.json'), 'utf8');
    expect(await model(`init ${file}`)).toMatch(/model\.json is there already; remove it first\nexit 1\n$/);
    expect(readFileSync(join(bare, 'model.json'), 'utf8')).toBe(before);
  });

  it.each([
    ['models/iris/train.py', /is no \.onnx file\nexit 1\n$/],
    [join(folder, 'broken/iris/2/model.onnx'), /cannot be served: model\.onnx is empty\nexit 1\n$/],
  ])('refuses %s', async (path, said) => {
    expect(await model(`init ${path}`)).toMatch(said);
  });
});
