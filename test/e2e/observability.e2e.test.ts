import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { STEPS } from '@millrace/batch/step-seconds';
import { MENDS } from '@millrace/queue/reaper';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { IRIS_MODEL_PATH, irisRows, toNdjson } from '../fixtures/iris.js';
import { TestPlatform } from '../fixtures/platform.js';
import { lasting, POISON_MODEL, remainder } from '../fixtures/poison-model.js';

const directory = mkdtempSync(join(tmpdir(), 'millrace-e2e-'));
const REQUEST_ID = 'trace-this-one';
/** Seconds; a task's are told in microseconds. */
const ROUNDED = 1e-5;
const SECRET = 'a-value-nobody-else-may-read';
let platform: TestPlatform;
let taskId: string;

beforeAll(async () => {
  const models = join(directory, 'models');
  cpSync(dirname(IRIS_MODEL_PATH), join(models, 'iris/1'), { recursive: true });
  mkdirSync(join(models, 'slow/1'), { recursive: true });
  writeFileSync(join(models, 'slow/1/model.onnx'), POISON_MODEL);
  const settings = { MODELS_DIR: models, LOG_LEVEL: 'debug', REAP_INTERVAL_MS: '100' };
  platform = await TestPlatform.start(directory, 1, settings);
  const response = await fetch(`${platform.url}/batch-predict?model=iris`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-ndjson', 'x-request-id': REQUEST_ID, prefer: 'wait=30' },
    body: `${toNdjson(irisRows(99))}{"sepal_length":"${SECRET}"}\nnot json: ${SECRET}\n`,
  });
  const answer = JSON.parse(await response.text());
  expect(answer.rows).toMatchObject({ total: 101, succeeded: 99, invalid: 2 });
  expect(response.headers.get('x-request-id')).toBe(REQUEST_ID);
  taskId = answer.task_id;
});
afterAll(async () => {
  await platform.stop();
  rmSync(directory, { recursive: true });
});

it('counts on the API what came in', async () => {
  const metrics = await scrape(`${platform.url}/metrics`);
  expect(metrics).toMatchObject({
    'millrace_tasks_total{model="iris@1",format="ndjson",outcome="accepted"}': 1,
    'millrace_rows_accepted_total{model="iris@1"}': 101,
    'millrace_model_workers{model="iris@1"}': 1,
    'millrace_queue_chunks{pool="default",state="waiting"}': 0,
    'millrace_http_request_seconds_count{method="POST",route="/batch-predict",status="200"}': 1,
  });
  expect(metrics).toHaveProperty('nodejs_eventloop_lag_seconds');
});

it('counts on the worker what became of it, and where the time went', async () => {
  const [worker] = platform.workers;
  const { port } = (await worker?.ready) ?? { port: 0 };
  const metrics = await scrape(`http://127.0.0.1:${port}/metrics`);
  expect(metrics).toMatchObject({
    'millrace_rows_total{model="iris@1",outcome="succeeded"}': 99,
    'millrace_rows_total{model="iris@1",outcome="invalid"}': 2,
    'millrace_chunks_total{outcome="committed"}': 1,
    millrace_chunk_waiting_seconds_count: 1,
  });
  expect(metrics).toHaveProperty('nodejs_eventloop_lag_seconds');
  const { seconds } = await platform.finished(taskId);
  for (const step of STEPS) {
    expect(metrics[`millrace_chunk_step_seconds_count{step="${step}"}`], step).toBe(1);
    const counted = metrics[`millrace_chunk_step_seconds_sum{step="${step}"}`] as number;
    // Redis takes the time of the commit by its own clock, before it has answered.
    if (step !== 'commit') expect(Math.abs(seconds[step] - counted), step).toBeLessThan(ROUNDED);
    expect(seconds[step], step).toBeGreaterThan(0);
  }
});

it('takes no longer for the steps of a task than the task took, and most of it for a row that is slow', async () => {
  const [worker] = platform.workers;
  const { port } = (await worker?.ready) ?? { port: 0 };
  const ofChunks = async () => {
    const metrics = await scrape(`http://127.0.0.1:${port}/metrics`);
    return { count: metrics.millrace_chunk_seconds_count ?? 0, sum: metrics.millrace_chunk_seconds_sum ?? 0 };
  };
  const before = await ofChunks();
  const x = lasting(1);
  const sentAt = performance.now();
  const id = await platform.submit('/batch-predict?model=slow', 'application/json', JSON.stringify([x]));
  const { created_at, finished_at, seconds, predictions } = await platform.finished(id);
  await expect.poll(async () => (await ofChunks()).count).toBe(before.count + 1);
  const elapsed = (performance.now() - sentAt) / 1000;
  expect(predictions).toEqual([remainder(x)]);
  const whole = (Date.parse(finished_at) - Date.parse(created_at)) / 1000;
  // The end is told as of the moment in which the commit is sent, which is one of the steps.
  expect(seconds.total).toBeLessThan(1.1 * whole);
  expect(seconds.total).toBeGreaterThan(0.8 * whole);
  expect(seconds.infer).toBeGreaterThan(0.5 * whole);
  const counted = (await ofChunks()).sum - before.sum;
  expect(counted).toBeLessThan(elapsed);
  expect(counted).toBeGreaterThan(0.8 * whole);
});

it('has nothing to mend in a healthy run, however often the reaper comes by', async () => {
  const body = toNdjson(irisRows(100_000));
  const id = await platform.submit('/batch-predict?model=iris', 'application/x-ndjson', body);
  await platform.finished(id);
  // The second time it has done all of what it had begun the first time.
  for (let time = 0; time < 2; time++) await reaped(id);
  const [worker] = platform.workers;
  const { port } = (await worker?.ready) ?? { port: 0 };
  const mended = Object.entries(await scrape(`http://127.0.0.1:${port}/metrics`)).filter(([name]) =>
    name.startsWith('millrace_reaper_mended_total'),
  );
  expect(mended.sort()).toEqual(
    MENDS.map((what) => [`millrace_reaper_mended_total{what="${what}"}`, 0]).sort(),
  );
});

it('says of every process that it lives and is ready', async () => {
  const [worker] = platform.workers;
  const { port } = (await worker?.ready) ?? { port: 0 };
  for (const url of [platform.url, `http://127.0.0.1:${port}`]) {
    expect((await fetch(`${url}/healthz`)).status).toBe(200);
    const ready = await fetch(`${url}/readyz`);
    expect([ready.status, await ready.json()]).toEqual([200, { status: 'ready', problems: [] }]);
    expect((await fetch(`${url}/nothing`)).status).toBe(404);
  }
});

it('logs what happens to a task under its id and the id of its request, in every process', async () => {
  // Ended, so that every line has arrived.
  await platform.stop();
  const lines = platform.log
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  const about = lines.filter((line) => line.request_id === REQUEST_ID);
  expect(about.map((line) => `${line.service}: ${line.message}`)).toEqual(
    expect.arrayContaining(['api: a task was accepted', 'worker: a chunk was committed', 'api: request']),
  );
  // By whoever came last: the worker with its commit, or the API with the end of the upload.
  expect(about.filter(({ message }) => message === 'a task finished')).toHaveLength(1);
  expect(new Set(about.map((line) => line.task_id))).toEqual(new Set([taskId]));
});

it('never logs what is in a row', () => {
  expect(platform.log).not.toContain(SECRET);
  expect(platform.log).not.toContain('sepal_length');
});

/** Resolves when the reaper has been by: it takes a task that has finished out of the unfinished ones, which may name too many. */
async function reaped(finished: string): Promise<void> {
  const { look, keys } = platform;
  await look.zadd(keys.unfinished(), Date.now(), finished);
  await expect.poll(() => look.zscore(keys.unfinished(), finished), { timeout: 20_000 }).toBeNull();
}

/** The samples of a Prometheus page by name and labels. */
async function scrape(url: string): Promise<Record<string, number>> {
  const text = await (await fetch(url)).text();
  const samples = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return Object.fromEntries(
    samples.map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ')))]),
  );
}
