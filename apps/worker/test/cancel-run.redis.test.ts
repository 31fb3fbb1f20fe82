import { expect, it } from 'vitest';
import { onnxModel } from '../../../test/fixtures/onnx-graph.js';
import { useRedis } from '../../../test/fixtures/redis.js';
import { newTask } from '../../../test/fixtures/task.js';
import { runChunk } from '../dist/run-chunk.js';
import { runDeps, runOf } from './run-deps.js';
import { useServing } from './serving.js';

const redis = useRedis();
const serving = useServing();
const TASK = 'task-1';
const ROWS = 10_000;

/** A hundred million multiplications per row, one row to a micro-batch: a chunk of 10,000 rows takes minutes. */
const SIZE = 2_500;
const floats = (length: number) => new Uint8Array(new Float32Array(length).buffer);
const SLOW = onnxModel({
  inputs: [{ name: 'x', type: 'float32', shape: ['n', 1] }],
  outputs: [{ name: 'y', type: 'float32', shape: ['n', SIZE] }],
  nodes: [
    { op: 'MatMul', inputs: ['x', 'wide'], outputs: ['h0'] },
    ...Array.from({ length: 16 }, (_, at) => ({
      op: 'MatMul',
      inputs: [`h${at}`, 'square'],
      outputs: [`h${at + 1}`],
    })),
    { op: 'Identity', inputs: ['h16'], outputs: ['y'] },
  ],
  initializers: [
    { name: 'wide', type: 'float32', dims: [1, SIZE], data: floats(SIZE) },
    { name: 'square', type: 'float32', dims: [SIZE, SIZE], data: floats(SIZE * SIZE) },
  ],
});

it.each(['cancelled', 'erased'])(
  'a running chunk whose task is %s stops between micro-batches, and stores nothing',
  async (how) => {
    serving.write('slow/1/model.onnx', SLOW);
    serving.write('slow/1/model.json', { limits: { micro_batch: 1 } });
    serving.write(
      'fast.onnx',
      onnxModel({
        inputs: [{ name: 'x', type: 'float32', shape: ['n'] }],
        outputs: [{ name: 'y', type: 'float32', shape: ['n'] }],
        nodes: [{ op: 'Neg', inputs: ['x'], outputs: ['y'] }],
      }),
    );
    await serving.open();
    const keys = redis.freshKeys();
    const deps = await runDeps(redis.url, keys, {
      pool: serving.pool,
      pins: () => serving.registry.pins,
    });
    const { store } = deps;

    const fingerprint = serving.registry.models.served.find(({ name }) => name === 'slow')?.fingerprint ?? '';
    await store.create(newTask({ id: TASK, model: 'slow@1', fingerprint }));
    await store.append(TASK, { index: 0, firstRow: 0, rows: ROWS, bytes: Buffer.from('1\n'.repeat(ROWS)) });
    await store.seal(TASK, 1);
    const running = runChunk(deps, runOf(TASK));
    while ((await store.read(TASK))?.status !== 'running')
      await new Promise((resolve) => setImmediate(resolve));
    if (how === 'cancelled') await store.end(TASK, 'cancelled');
    else await store.erase(TASK);
    expect(await running).toEqual({ kind: 'settled' });
    expect(await store.read(TASK)).toMatchObject({
      status: 'cancelled',
      ledger: { cancelled: ROWS, succeeded: 0 },
    });
    expect(await redis.redis.exists(keys.output(TASK, 0))).toBe(0);
    // The thread is free for others.
    expect((await serving.predict('fast@1', [3])).predictions).toEqual([-3]);
  },
);
