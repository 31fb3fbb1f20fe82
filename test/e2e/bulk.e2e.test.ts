import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { IRIS_MODEL_PATH, type IrisRow, irisRows, toNdjson } from '../fixtures/iris.js';
import { kill, TestPlatform } from '../fixtures/platform.js';

const ROWS = irisRows(100_000);
const NDJSON = toNdjson(ROWS);
/** So many that a task is still in the middle when the test gets to disturb it. */
const TIMES = 8;
const directory = mkdtempSync(join(tmpdir(), 'millrace-e2e-'));
let platform: TestPlatform;
let reference: number[];

beforeAll(async () => {
  reference = await bareLabels(ROWS);
  // A dead worker's chunks are taken over after at most twice this.
  platform = await TestPlatform.start(directory, 2, { LOCK_MS: '1000' });
});
afterAll(async () => {
  await platform.stop();
  rmSync(directory, { recursive: true });
});

describe('100,000 rows by NDJSON', () => {
  it('are predicted in order, each as bare ONNX Runtime predicts it', async () => {
    const id = await platform.submit('/batch-predict?model=iris', 'application/x-ndjson', NDJSON);
    const answer = await platform.finished(id);
    expect(answer).toMatchObject({
      status: 'succeeded',
      rows: { total: 100_000, succeeded: 100_000 },
      errors: [],
    });
    expect(firstMismatch(answer.predictions, reference)).toBeUndefined();

    const response = await fetch(`${platform.url}/batch-result/${id}`, {
      headers: { accept: 'application/x-ndjson' },
    });
    const expected = reference.map((prediction, row) => `{"row":${row},"prediction":${prediction}}`);
    expect(firstMismatch((await response.text()).trimEnd().split('\n'), expected)).toBeUndefined();
  });

  it('survive a worker that is killed in the middle, and the file says so byte for byte', async () => {
    const [doomed] = platform.workers;
    const id = await platform.submit(
      '/batch-predict?model=iris',
      'application/x-ndjson',
      NDJSON.repeat(TIMES),
    );
    await platform.committed(id, 1);
    await kill(doomed as (typeof platform.workers)[number], 'SIGKILL');
    const inTheMiddle = await platform.poll(id);
    expect(inTheMiddle.rows.succeeded).toBeLessThan(TIMES * ROWS.length);
    const answer = await platform.finished(id);
    expect(answer.status).toBe('succeeded');
    expect(firstMismatch(answer.predictions, repeated(reference))).toBeUndefined();
    await platform.addWorker().ready;
  });

  it('survive Redis that is stopped and started in the middle', async () => {
    const id = await platform.submit(
      '/batch-predict?model=iris',
      'application/x-ndjson',
      NDJSON.repeat(TIMES),
    );
    await platform.committed(id, 1);
    await platform.stopRedis();
    const submission = await fetch(`${platform.url}/batch-predict?model=iris`, {
      method: 'POST',
      headers: { 'content-type': 'application/x-ndjson' },
      body: toNdjson(ROWS.slice(0, 10)),
    });
    expect(submission.status).toBe(503);
    expect((await submission.json()) as object).toMatchObject({ code: 'store_unavailable' });
    expect((await fetch(`${platform.url}/batch-result/${id}`)).status).toBe(503);
    await platform.startRedis();
    const answer = await platform.finished(id);
    expect(answer.status).toBe('succeeded');
    expect(firstMismatch(answer.predictions, repeated(reference))).toBeUndefined();
  });

  it('lose nothing to SIGTERM: the worker ends cleanly, another one goes on', async () => {
    const id = await platform.submit(
      '/batch-predict?model=iris',
      'application/x-ndjson',
      NDJSON.repeat(TIMES),
    );
    await platform.committed(id, 1);
    const leaving = platform.liveWorkers;
    const published = await publishedWorkers();
    const codes = await Promise.all(leaving.map((worker) => kill(worker, 'SIGTERM')));
    expect(codes).toEqual(leaving.map(() => 0));
    expect(await publishedWorkers()).toBeLessThanOrEqual(published - leaving.length);
    const between = await platform.poll(id);
    expect(between.rows.running).toBe(0);
    expect(between.rows.succeeded).toBeLessThan(TIMES * ROWS.length);
    await platform.addWorker().ready;
    const answer = await platform.finished(id);
    expect(answer.status).toBe('succeeded');
    expect(firstMismatch(answer.predictions, repeated(reference))).toBeUndefined();
  });
});

describe('a million rows in one request', () => {
  it('pass through the API in constant memory', async () => {
    if (platform.liveWorkers.length === 0) await platform.addWorker().ready;
    const memory = watchMemory(platform.apiPid);
    const id = await platform.submit('/batch-predict?model=iris', 'application/x-ndjson', NDJSON.repeat(10));
    const { rows } = await platform.finished(id);
    const download = await fetch(`${platform.url}/batch-result/${id}`, {
      headers: { accept: 'application/x-ndjson' },
    });
    const text = await download.text();
    const grownBy = memory.stop();
    expect(rows).toMatchObject({ total: 1_000_000, succeeded: 1_000_000 });
    expect(text.split('\n').length).toBe(1_000_001);
    expect(text.trimEnd().endsWith(`{"row":999999,"prediction":${reference.at(-1)}}`)).toBe(true);
    expect(grownBy).toBeLessThan(100);
  });
});

/** Those who say that they live, and those who were killed within the last ten seconds. */
async function publishedWorkers(): Promise<number> {
  return (await platform.look.keys(platform.keys.worker('*'))).length;
}

/** Undefined when both are the same; a full difference of a million rows helps nobody. */
function firstMismatch(found: readonly unknown[], expected: readonly unknown[]): object | undefined {
  const row = expected.findIndex((value, index) => found[index] !== value);
  if (row !== -1) return { row, found: found[row], expected: expected[row] };
  return found.length === expected.length ? undefined : { rows: found.length, expected: expected.length };
}

function repeated(list: number[]): number[] {
  return Array.from({ length: TIMES }, () => list).flat();
}

/** Watches a process from now on; `stop` says by how many MiB its resident memory has grown at the most. */
function watchMemory(pid: number): { stop(): number } {
  const resident = () => {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) / 1024;
  };
  const idle = resident();
  let peak = idle;
  const timer = setInterval(() => {
    peak = Math.max(peak, resident());
  }, 20);
  onTestFinished(() => clearInterval(timer));
  return { stop: () => peak - idle };
}

/** What the model says without the platform, in one run over all rows. One thread, like the workers' sessions: with
 * more, ONNX Runtime adds the votes of the trees up in another order, and ties fall otherwise. */
async function bareLabels(rows: IrisRow[]): Promise<number[]> {
  const session = await InferenceSession.create(IRIS_MODEL_PATH, { intraOpNumThreads: 1 });
  const features = Float32Array.from(rows.flatMap((row) => Object.values(row)));
  const { label } = await session.run({ features: new Tensor('float32', features, [rows.length, 4]) }, [
    'label',
  ]);
  return Array.from(label?.data as BigInt64Array, Number);
}
