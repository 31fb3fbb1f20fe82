import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { Queue } from 'bullmq';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { IRIS_MODEL_PATH } from '../fixtures/iris.js';
import { onnxModel } from '../fixtures/onnx-graph.js';
import { TestPlatform } from '../fixtures/platform.js';
import { until } from '../fixtures/until.js';

const directory = mkdtempSync(join(tmpdir(), 'millrace-e2e-'));
const models = join(directory, 'models');
let platform: TestPlatform;

/** A model that adds a number to its input. */
const adding = (number: number): Uint8Array =>
  onnxModel({
    inputs: [{ name: 'x', type: 'float32', shape: ['n'] }],
    outputs: [{ name: 'y', type: 'float32', shape: ['n'] }],
    nodes: [{ op: 'Add', inputs: ['x', 'w'], outputs: ['y'] }],
    initializers: [
      { name: 'w', type: 'float32', dims: [1], data: new Uint8Array(Float32Array.of(number).buffer) },
    ],
  });

/** Writes a file under a hidden name and moves it into place, as a deployment does. */
function put(path: string, content: Uint8Array | object): void {
  const file = join(models, path);
  const partial = join(models, '.partial');
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(partial, content instanceof Uint8Array ? content : JSON.stringify(content));
  renameSync(partial, file);
}

beforeAll(async () => {
  cpSync(dirname(IRIS_MODEL_PATH), join(models, 'iris/1'), { recursive: true });
  put('add/1/model.onnx', adding(1));
  put('add/aliases.json', { champion: 1 });
  platform = await TestPlatform.start(directory, 2, {
    MODELS_DIR: models,
    MODELS_POLL_MS: '100',
    WORKER_THREADS: '1',
  });
});
afterAll(async () => {
  await platform.stop();
  rmSync(directory, { recursive: true });
});

interface Shown {
  model: string;
  digest: string;
  workers: number;
  versions: { version: number; status: string; workers: number; reason?: string; problem?: string }[];
}

/** Asks for the model until it is shown as it should be. */
function shown(ref: string, isMeant: (model: Shown) => boolean): Promise<Shown> {
  return until(async () => {
    const model = (await (await fetch(`${platform.url}/v1/models/${ref}`)).json()) as Shown;
    return model.versions !== undefined && isMeant(model) ? model : undefined;
  });
}

async function predict(ref: string): Promise<{ model: string; predictions: unknown[] }> {
  const id = await platform.submit(`/batch-predict?model=${ref}`, 'application/json', '[10]');
  const answer = await platform.finished(id);
  return { model: (answer as unknown as { model: string }).model, predictions: answer.predictions };
}

const versionOf = (model: Shown, version: number) => model.versions.find((each) => each.version === version);

it('a version that appears is served by every worker, and an alias moves to it, without a restart', async () => {
  expect(await predict('add@champion')).toEqual({ model: 'add@1', predictions: [11] });
  put('add/2/model.onnx', adding(2));
  await shown('add', (model) => versionOf(model, 2)?.workers === 2);
  expect(await predict('add')).toEqual({ model: 'add@2', predictions: [12] });
  expect(await predict('add@champion')).toEqual({ model: 'add@1', predictions: [11] });
  put('add/aliases.json', { champion: 2 });
  await shown('add@champion', ({ model }) => model === 'add@2');
  expect(await predict('add@champion')).toEqual({ model: 'add@2', predictions: [12] });
});

it('a broken version is shown with its reason, and the others stay in service', async () => {
  put('add/3/model.onnx', adding(3).subarray(0, -4));
  const model = await shown('add', (each) => versionOf(each, 3) !== undefined);
  expect(versionOf(model, 3)).toMatchObject({ status: 'refused', reason: expect.stringMatching(/cut off/) });
  expect(await predict('add')).toEqual({ model: 'add@2', predictions: [12] });
});

it('a task finishes on the files that it was accepted with, though they are replaced while it waits', async () => {
  put('kept/1/model.onnx', adding(2));
  const { digest: accepted } = await shown('kept', ({ workers }) => workers === 2);
  const queue = new Queue('default', { connection: platform.look, prefix: platform.keys.queuePrefix });
  await queue.pause();
  const submit = () => platform.submit('/batch-predict?model=kept', 'application/json', '[10]');
  const id = await submit();
  put('kept/1/model.onnx', adding(50));
  await shown('kept', ({ workers, digest }) => workers === 2 && digest !== accepted);
  const later = await submit();
  expect((await platform.poll(id)).status).toBe('pending');
  await queue.resume();
  expect((await platform.finished(id)).predictions).toEqual([12]);
  expect((await platform.finished(later)).predictions).toEqual([60]);
  await queue.close();
});

it('a model of another pool waits for a worker of that pool', async () => {
  put('wide/1/model.json', { limits: { pool: 'gpu' } });
  put('wide/1/model.onnx', adding(7));
  const worker = platform.addWorker({ POOL: 'gpu' });
  await worker.ready;
  expect(await shown('wide', ({ workers }) => workers === 1)).toMatchObject({ model: 'wide@1' });
  expect(await predict('wide')).toEqual({ model: 'wide@1', predictions: [17] });
  await worker.stop();
  await shown('wide', ({ workers }) => workers === 0);
  const id = await platform.submit('/batch-predict?model=wide', 'application/json', '[1]');
  const waiting = (await platform.poll(id)) as unknown as { status: string; waiting_for: string };
  expect(waiting).toMatchObject({ status: 'pending', waiting_for: 'a worker that serves wide@1' });
  await platform.addWorker({ POOL: 'gpu' }).ready;
  expect((await platform.finished(id)).predictions).toEqual([8]);
});

it('a worker that is stopped in the middle of a proof goes at once, and leaves nothing behind', async () => {
  const own = join(directory, 'endless');
  mkdirSync(own);
  const size = 4_096;
  const square = { type: 'float32' as const, shape: ['n', size, size] };
  writeFileSync(
    join(own, 'endless.onnx'),
    onnxModel({
      inputs: [{ name: 'x', ...square }],
      outputs: [{ name: 'y', ...square }],
      nodes: Array.from({ length: 40 }, (_, at) => ({
        op: 'MatMul',
        inputs: [at === 0 ? 'x' : `h${at}`, 'x'],
        outputs: [at === 39 ? 'y' : `h${at + 1}`],
      })),
    }),
  );
  const worker = platform.addWorker({ MODELS_DIR: own });
  const { pid = 0 } = worker.child;
  worker.ready.catch(() => {});
  const prover = await until(() => childrenOf(pid)[0]);
  expect(await worker.stop()).toBe(0);
  expect(existsSync(`/proc/${prover}`)).toBe(false);
});

/** Processes whose parent this is. */
function childrenOf(pid: number): number[] {
  const file = `/proc/${pid}/task/${pid}/children`;
  return existsSync(file) ? readFileSync(file, 'utf8').trim().split(' ').filter(Boolean).map(Number) : [];
}
