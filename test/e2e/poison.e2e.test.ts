import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { PlatformProcess } from '@millrace/local/platform-process';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { IRIS_MODEL_PATH, irisRows, toNdjson } from '../fixtures/iris.js';
import { kill, TestPlatform } from '../fixtures/platform.js';
import {
  CRASHES,
  HANGS,
  HEALTHY,
  POISON_MODEL,
  POISON_SAMPLES,
  remainder,
  THROWS,
} from '../fixtures/poison-model.js';

const POISON = '/batch-predict?model=poison';
const NDJSON = 'application/x-ndjson';
/** Of a hundredth of a second. To load the model takes a thread some 10 of them. */
const LOAD_TICKS = 20;
/** A condition is looked at so often: whoever looks all the time takes a core from what it waits for. */
const WAITING = { timeout: 50_000, interval: 20 };
const directory = mkdtempSync(join(tmpdir(), 'millrace-poison-'));
let platform: TestPlatform;
let isOver = false;

beforeAll(async () => {
  const models = join(directory, 'models');
  mkdirSync(join(models, 'poison/1'), { recursive: true });
  cpSync(dirname(IRIS_MODEL_PATH), join(models, 'iris/1'), { recursive: true });
  writeFileSync(join(models, 'poison/1/model.onnx'), POISON_MODEL);
  writeFileSync(join(models, 'poison/1/model.json'), JSON.stringify({ limits: { micro_batch: 4 } }));
  writeFileSync(join(models, 'poison/1/samples.json'), JSON.stringify(POISON_SAMPLES));
  platform = await TestPlatform.start(directory, 0, {
    MODELS_DIR: models,
    WORKER_THREADS: '1',
    LOCK_MS: '500',
    STOP_GRACE_MS: '500',
    CHUNK_TIMEOUT_MS: '1500',
  });
  await keepWorker().ready;
});
afterAll(async () => {
  isOver = true;
  await platform.stop();
  rmSync(directory, { recursive: true });
});

/** A worker that is started again when it ends, as whoever runs the platform does. */
function keepWorker(): PlatformProcess {
  const worker = platform.addWorker();
  worker.exited.then(() => {
    if (!isOver) keepWorker();
  });
  return worker;
}

const healthy = (rows: number): number[] =>
  Array.from({ length: rows }, (_, row) => HEALTHY[row % HEALTHY.length] as number);
const expected = (rows: number[], poison: number) => rows.map((x) => (x === poison ? null : remainder(x)));
const submitIris = () => platform.submit('/batch-predict?model=iris', NDJSON, toNdjson(irisRows(20_000)));
const currentWorker = () => platform.liveWorkers[0] as PlatformProcess;

/** The processes that a worker has started for suspect chunks. */
function suspectProcesses(pid: number): number[] {
  const children = procFile(pid, `task/${pid}/children`).trim();
  return children
    .split(' ')
    .map(Number)
    .filter((each) => procFile(each, 'cmdline').includes('suspect-child'));
}

/** Of a file under /proc, empty when the process has gone. */
function procFile(pid: number, name: string): string {
  try {
    return readFileSync(`/proc/${pid}/${name}`, 'utf8');
  } catch {
    return '';
  }
}

function isAlive(pid: number): boolean {
  return /^State:\s+[^Z]/m.test(procFile(pid, 'status'));
}

/** Whether one of its threads has computed for longer than it takes to load the model. */
function isBusy(pid: number): boolean {
  const threads = readdirSync(`/proc/${pid}/task`).map((thread) => procFile(pid, `task/${thread}/stat`));
  return threads.some((stat) => Number(stat.split(') ')[1]?.split(' ')[11]) > LOAD_TICKS);
}

/** Resolves with the process in which a suspect chunk is tried, and its worker, once it is in the middle of it. */
function suspectRun(): Promise<{ worker: PlatformProcess; pid: number }> {
  return vi.waitFor(() => {
    for (const worker of platform.liveWorkers) {
      const [pid] = suspectProcesses(worker.child.pid as number);
      if (pid !== undefined && isBusy(pid)) return { worker, pid };
    }
    throw new Error(`no suspect chunk is being run\n${platform.log}`);
  }, WAITING);
}

async function untilDead(pid: number): Promise<void> {
  await vi.waitFor(() => expect(isAlive(pid)).toBe(false), WAITING);
}

describe('a row on which the graph throws', () => {
  it.each([
    ['NDJSON', NDJSON, (rows: number[]) => rows.map((x) => `{"x":${x},"id":"row ${x}"}\n`).join('')],
    ['CSV', 'text/csv', (rows: number[]) => `id,x\n${rows.map((x) => `row ${x},${x}\n`).join('')}`],
  ])('fails alone, in %s', async (_, type, body) => {
    const rows = healthy(5_000);
    rows[4_321] = THROWS;
    const answer = await platform.finished(await platform.submit(POISON, type, body(rows)));
    expect(answer).toMatchObject({
      status: 'partially_succeeded',
      rows: { total: 5_000, succeeded: 4_999, failed: 1 },
      errors: [{ row: 4_321, id: 'row 0', code: 'inference_failed' }],
    });
    expect(answer.predictions).toEqual(expected(rows, THROWS));
  });

  it('fails alone where invalid rows refuse the request', async () => {
    const body = JSON.stringify({ inputs: [5, THROWS, 7], on_invalid: 'reject' });
    const answer = await platform.finished(await platform.submit(POISON, 'application/json', body));
    expect(answer.predictions).toEqual([remainder(5), null, remainder(7)]);
  });
});

it('a row that ends its process is found, after two workers, and only it fails; others go on', async () => {
  const rows = healthy(2_000);
  rows[1_234] = CRASHES;
  const before = platform.workers.length;
  const poisoned = await platform.submit(POISON, NDJSON, toNdjson(rows));
  const beside = await submitIris();
  const answer = await platform.finished(poisoned);
  expect(answer).toMatchObject({
    status: 'partially_succeeded',
    rows: { total: 2_000, succeeded: 1_999, failed: 1 },
    errors: [{ row: 1_234, code: 'worker_lost', message: 'the model ended its process on this row: SIGFPE' }],
  });
  expect(answer.predictions).toEqual(expected(rows, CRASHES));
  expect(platform.workers.length).toBe(before + 2);
  expect(await platform.finished(beside)).toMatchObject({ status: 'succeeded' });
});

describe('a row that does not come to an end', () => {
  it('costs its thread, not the worker, and only it fails; others go on meanwhile', async () => {
    const rows = healthy(200);
    rows[77] = HANGS;
    const worker = currentWorker();
    await worker.ready;
    const poisoned = await platform.submit(POISON, NDJSON, toNdjson(rows));
    await suspectRun();
    const beside = await platform.finished(await submitIris());
    expect(beside.status).toBe('succeeded');
    expect((await platform.poll(poisoned)).status).toBe('running');
    const answer = await platform.finished(poisoned);
    expect(answer).toMatchObject({
      status: 'partially_succeeded',
      rows: { total: 200, succeeded: 199, failed: 1 },
      errors: [{ row: 77, code: 'timeout' }],
    });
    expect(answer.predictions).toEqual(expected(rows, HANGS));
    expect(currentWorker()).toBe(worker);
  });

  it('leaves no process behind when the worker is killed', async () => {
    const id = await platform.submit(POISON, NDJSON, toNdjson([1, HANGS]));
    const { worker, pid } = await suspectRun();
    await kill(worker, 'SIGKILL');
    await untilDead(pid);
    const answer = await platform.finished(id);
    expect(answer.predictions).toEqual([remainder(1), null]);
  });

  it('leaves no process behind when the worker stops, which it does within its time', async () => {
    const id = await platform.submit(POISON, NDJSON, toNdjson([1, HANGS]));
    const { worker, pid } = await suspectRun();
    // Its stuck thread leaves it no other way to end.
    expect(await kill(worker, 'SIGTERM')).toBe('SIGKILL');
    expect(isAlive(pid)).toBe(false);
    expect(platform.log).toContain('"message":"stopped"');
    const answer = await platform.finished(id);
    expect(answer).toMatchObject({ rows: { succeeded: 1, failed: 1 }, errors: [{ code: 'timeout' }] });
  });

  it('and more of them end the worker, which says why, before its threads have eaten up the machine', async () => {
    const worker = currentWorker();
    await worker.ready;
    const ids = [];
    for (let task = 0; task < 2; task++) ids.push(await platform.submit(POISON, NDJSON, toNdjson([HANGS])));
    expect(await worker.exited).toBe('SIGKILL');
    expect(platform.log).toContain('too many inference threads are stuck');
    for (const id of ids)
      expect(await platform.finished(id)).toMatchObject({ errors: [{ code: 'timeout' }] });
  });
});
