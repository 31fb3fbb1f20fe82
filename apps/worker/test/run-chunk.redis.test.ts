import { fileURLToPath } from 'node:url';
import { STALLS_MAX } from '@millrace/queue/chunk-job';
import type { ChunkRun } from '@millrace/queue/consumer';
import type { Keys } from '@millrace/queue/keys';
import type { TaskStore } from '@millrace/queue/task-store';
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { commandName } from '../../../test/fixtures/command-names.js';
import { useRedis } from '../../../test/fixtures/redis.js';
import { startRedisProxy } from '../../../test/fixtures/redis-proxy.js';
import { newTask } from '../../../test/fixtures/task.js';
import { InferencePool } from '../dist/inference/pool.js';
import { ModelRegistry } from '../dist/models/model-registry.js';
import { ProvedCopies } from '../dist/models/proved-copies.js';
import { type RunChunkDeps, runChunk } from '../dist/run-chunk.js';
import { runDeps, runOf, SILENT } from './run-deps.js';

/** `fragile` gives 1.5 × x for x from 0 to 9, and throws for any other. */
const MODELS = fileURLToPath(new URL('../../../test/fixtures/models', import.meta.url));
const TASK = 'task-1';

const redis = useRedis();
let keys: Keys;
let store: TaskStore;
let pool: InferencePool;
let copies: ProvedCopies;
let models: ModelRegistry;
let deps: RunChunkDeps;

beforeAll(async () => {
  pool = new InferencePool(1);
  copies = await ProvedCopies.open();
  models = new ModelRegistry({
    directory: MODELS,
    poolName: 'default',
    pool,
    copies,
    proveMs: 20_000,
    idleMs: 3_600_000,
    log: SILENT,
  });
  await models.open();
});
afterAll(async () => {
  await pool.stop();
  await copies.close();
});
beforeEach(async () => {
  keys = redis.freshKeys();
  deps = await runDeps(redis.url, keys, { pool, pins: () => models.pins });
  store = deps.store;
});

async function submitted(lines: string, rows: number, model = 'fragile@1'): Promise<void> {
  const fingerprint = models.models.served[0]?.fingerprint ?? '';
  await store.create(newTask({ id: TASK, model, fingerprint }));
  await store.append(TASK, { index: 0, firstRow: 0, rows, bytes: Buffer.from(lines) });
  await store.seal(TASK, 1);
}

const run = (change: Partial<ChunkRun> = {}) => runOf(TASK, change);

/** Threads to which nothing was ever loaded. */
function withoutModels(): RunChunkDeps {
  const empty = new InferencePool(1);
  onTestFinished(() => empty.stop());
  return { ...deps, pool: empty };
}

const read = async () => (await store.read(TASK)) ?? { status: 'gone', ledger: {} };
const lines = async () => String((await store.readSegments(TASK, 0, ['lines']))?.lines);

describe('a run', () => {
  it('commits what the model says, and the error of every bad row', async () => {
    await submitted('{"x":2}\nnothing\n[4]\n7\n', 4);
    expect(await runChunk(deps, run())).toEqual({ kind: 'settled' });
    expect(await read()).toMatchObject({
      status: 'partially_succeeded',
      ledger: { succeeded: 3, invalid: 1 },
    });
    expect(await lines()).toBe(
      '{"row":0,"prediction":3}\n' +
        '{"row":1,"error":{"code":"malformed_json","message":"the line is not valid JSON"}}\n' +
        '{"row":2,"prediction":6}\n{"row":3,"prediction":10.5}\n',
    );
  });

  it('of a chunk on which the model throws settles the rows at fault, each with the reason', async () => {
    await submitted('[2]\n[99]\n[4]\n', 3);
    expect(await runChunk(deps, run())).toEqual({ kind: 'settled' });
    expect(await read()).toMatchObject({
      status: 'partially_succeeded',
      ledger: { succeeded: 2, failed: 1, running: 0 },
    });
    expect((await lines()).split('\n')[1]).toMatch(
      /"code":"inference_failed","message":"the model failed on this row: Gather: indices element out of/,
    );
  });

  it('that no row is to blame for is to be tried again', async () => {
    await submitted('[2]\n[4]\n', 2);
    const reason = expect.stringContaining('this worker has no model');
    expect(await runChunk(withoutModels(), run())).toEqual({ kind: 'retry', reason });
    expect(await read()).toMatchObject({ status: 'running', ledger: { running: 2 } });
  });

  it('for the last time gives the rows up, with the reason', async () => {
    await submitted('[2]\n[4]\n', 2);
    expect(await runChunk(withoutModels(), run({ isLastAttempt: true }))).toEqual({ kind: 'settled' });
    expect(await read()).toMatchObject({ status: 'failed', ledger: { failed: 2, running: 0 } });
    expect(await lines()).toMatch(
      /"code":"inference_failed","message":"the model failed: this worker has no/,
    );
  });

  it('that was handed back leaves the chunk to whoever has it now', async () => {
    await submitted('[2]\n', 1);
    const handedBack = AbortSignal.abort();
    expect(await runChunk(withoutModels(), run({ isLastAttempt: true, handedBack }))).toEqual({
      kind: 'settled',
    });
    expect(await read()).toMatchObject({ status: 'running', ledger: { failed: 0 } });
  });

  it('of a suspect chunk is made in a process of its own, and comes out the same', async () => {
    await submitted('[2]\n[99]\n[4]\n', 3);
    await runChunk(deps, run({ isSuspect: true }));
    expect(await read()).toMatchObject({ ledger: { succeeded: 2, failed: 1, running: 0 } });
    const apart = await lines();
    await store.discard(TASK);
    await submitted('[2]\n[99]\n[4]\n', 3);
    await runChunk(deps, run());
    expect(await lines()).toBe(apart);
  });

  it('of a suspect chunk waits in the queue while another one has the place, and starts nothing', async () => {
    await submitted('[2]\n', 1);
    const giveBack = deps.suspects.reserve();
    expect(await runChunk(deps, run({ isSuspect: true }))).toEqual({ kind: 'hand_back', afterMs: 1_000 });
    expect(await read()).toMatchObject({ status: 'pending', ledger: { pending: 1 } });
    giveBack?.();
    expect(await runChunk(deps, run({ isSuspect: true }))).toEqual({ kind: 'settled' });
    expect(deps.suspects.reserve()).toBeDefined();
  });

  it.each([
    [STALLS_MAX, 'succeeded', { succeeded: 1, failed: 0 }],
    [STALLS_MAX + 1, 'failed', { succeeded: 0, failed: 1 }],
  ])('of a chunk over which %i workers were lost ends as %s', async (stalls, status, ledger) => {
    await submitted('[1]\n', 1);
    await runChunk(deps, run({ stalls, isSuspect: true }));
    expect(await read()).toMatchObject({ status, ledger });
    if (status === 'failed') expect(await lines()).toContain('"worker_lost"');
  });

  it('of a chunk whose bytes are gone says so, row by row', async () => {
    await submitted('[1]\n[2]\n', 2);
    await redis.redis.del(keys.input(TASK, 0));
    await runChunk(deps, run());
    expect(await read()).toMatchObject({ status: 'failed', ledger: { failed: 2 } });
    expect(await lines()).toContain('"input_lost"');
  });

  const long = `{"x":2,"id":"${'i'.repeat(250)}"}\n`;

  it('of a chunk of many bytes reads them by themselves', async () => {
    await submitted(long.repeat(300), 300);
    await runChunk(deps, run());
    expect(await read()).toMatchObject({ status: 'succeeded', ledger: { succeeded: 300 } });
  });

  it('of a chunk whose many bytes go between its beginning and their reading says so', async () => {
    await submitted(long.repeat(300), 300);
    const proxy = await startRedisProxy(redis.server.port);
    onTestFinished(() => proxy.stop());
    proxy.decide = (words) => {
      if (commandName(words, keys) !== 'get in') return { kind: 'pass' };
      // The worker asks again when it is connected again.
      proxy.decide = () => ({ kind: 'pass' });
      void redis.redis.del(keys.input(TASK, 0));
      return { kind: 'lose' };
    };
    const { pool: threads, pins } = deps;
    await runChunk(await runDeps(proxy.url, keys, { pool: threads, pins }), run());
    expect(await read()).toMatchObject({ status: 'failed', ledger: { failed: 300 } });
    expect(await lines()).toContain('"input_lost"');
  });

  it('of a model that is not served here is handed back, later and later', async () => {
    await submitted('[1]\n', 1, 'other@1');
    const waits = [1, 2, 3, 20].map((starts) => runChunk(deps, run({ starts })));
    const afterMs = (await Promise.all(waits)).map(
      (outcome) => outcome.kind === 'hand_back' && outcome.afterMs,
    );
    expect(afterMs).toEqual([1_000, 2_000, 4_000, 30_000]);
    expect(await read()).toMatchObject({ status: 'pending', ledger: { pending: 1 } });
  });

  it('whose result Redis refuses is handed back, with its attempts', async () => {
    await submitted('[1]\n', 1);
    await redis.redis.config('SET', 'maxmemory', '1');
    const outcome = await runChunk(deps, run({ isLastAttempt: true }));
    await redis.redis.config('SET', 'maxmemory', '0');
    expect(outcome).toMatchObject({ kind: 'hand_back' });
    expect(await runChunk(deps, run())).toEqual({ kind: 'settled' });
    expect(await read()).toMatchObject({ status: 'succeeded' });
  });

  it('that comes second changes nothing', async () => {
    await submitted('[1]\n', 1);
    await runChunk(deps, run());
    const before = await lines();
    expect(await runChunk(deps, run())).toEqual({ kind: 'settled' });
    expect(await lines()).toBe(before);
  });
});
