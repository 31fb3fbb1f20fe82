import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import type { BenchReport } from '../../bench/dist/bench/src/report.js';
import { IRIS_MODEL_PATH } from '../fixtures/iris.js';

/** As many as leave more in Redis than its buffers come and go by. */
const ROWS = 20_000;
const ALONE = ['--quick', '--peers', 'none'];

/** The program as a process, with a temporary folder of its own. */
function startBench(...args: string[]) {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-bench-test-'));
  const json = join(folder, 'report.json');
  const temporary = mkdtempSync(join(folder, 'tmp-'));
  const child = spawn(process.execPath, ['bench/dist/bench/src/main.js', ...ALONE, '--json', json, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, TMPDIR: temporary },
  });
  onTestFinished(() => {
    child.kill('SIGTERM');
    rmSync(folder, { recursive: true });
  });
  let text = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (data) => {
      text += data;
    });
  }
  const closed = once(child, 'close').then(([code]) => ({
    code: code as number | null,
    text,
    report: JSON.parse(readFileSync(json, 'utf8')) as BenchReport,
  }));
  const says = async (words: RegExp) => {
    while (!words.test(text)) await once(child.stderr, 'data');
  };
  return { child, closed, says, temporary };
}

/** Processes that were given a path in this folder, by an argument or their environment, or are in it as Redis is. */
function processesOf(folder: string): string[] {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  const text = (pid: string) => [
    read(() => readFileSync(`/proc/${pid}/cmdline`, 'utf8')),
    read(() => readFileSync(`/proc/${pid}/environ`, 'utf8')),
    read(() => readlinkSync(`/proc/${pid}/cwd`)),
  ];
  return pids.filter((pid) => text(pid).some((each) => each.includes(folder)));
}

/** Empty for a process that has ended meanwhile, or is another user's. */
function read(what: () => string): string {
  try {
    return what();
  } catch {
    return '';
  }
}

const spread = {
  median: expect.any(Number) as number,
  low: expect.any(Number) as number,
  high: expect.any(Number) as number,
};

it('bulk and small are measured beside the floor, every row is compared, and nothing stays behind', async () => {
  const { closed, temporary } = startBench('--only', 'bulk,small', '--runs', '2', '--rows', String(ROWS));
  const { code, text, report } = await closed;
  expect(report.failures, text).toEqual([]);
  expect(code).toBe(0);
  expect(report).toMatchObject({ runs: 2, quick: true, machine: { node: process.versions.node } });
  const [bulk, small] = report.scenarios;
  const streams = ['millrace, NDJSON', 'millrace, CSV', 'millrace, Arrow'];
  const platform = [...streams, 'millrace, JSON, 10,000-row requests'];
  const floor = ['serial floor', 'bare ORT', 'parse only', 'format only'];
  expect(bulk?.variants.map(({ name }) => name).sort()).toEqual([...floor, ...platform].sort());
  for (const variant of bulk?.variants.filter(({ name }) => platform.includes(name)) ?? []) {
    expect(variant).toMatchObject({
      rate: spread,
      ratios: { 'serial floor': spread, 'bare ORT': spread },
      cpu_seconds_per_million_rows: { api: spread, worker: spread, redis: spread, driver: spread },
      peak_bytes: { api: spread, worker: spread, redis: spread, driver: spread },
      redis_stored_bytes_per_row: spread,
    });
    expect(variant.samples.map(({ rows }) => rows)).toEqual([ROWS, ROWS]);
  }
  for (const stream of bulk?.variants.filter(({ name }) => streams.includes(name)) ?? []) {
    expect(stream).toMatchObject({
      phases_seconds: { upload: spread, result: spread },
      step_seconds_per_million_rows: { wait: spread, infer: spread, commit: spread, total: spread },
    });
  }
  expect(bulk?.settings.millrace).toMatchObject({
    workers: '1',
    WORKER_THREADS: '2',
    micro_batch: expect.stringMatching(/^\d+$/),
  });
  expect(bulk?.settings.floor).toMatchObject({
    threads: '2',
    micro_batch: expect.stringMatching(/^(64|256|1024|4096)$/),
  });
  expect(small?.settings.floor).toMatchObject({ micro_batch: '10' });
  expect(bulk?.versions.millrace?.redis).toMatch(/^\d+\./);
  const jobs = small?.variants.find(({ name }) => name === 'millrace');
  expect(jobs).toMatchObject({ latency_ms: { p50: spread, p95: spread, p99: spread } });
  expect(text).toContain('bulk, rows/s');
  expect(processesOf(temporary)).toEqual([]);
  expect(readdirSync(temporary)).toEqual([]);
});

it('a model that predicts some rows otherwise fails it, by the name of the variant and the row', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-bench-model-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  cpSync(dirname(IRIS_MODEL_PATH), folder, { recursive: true });
  // The forest is the same; two features are fed to each other's places.
  const manifest = join(folder, 'model.json');
  const { features, ...rest } = JSON.parse(readFileSync(manifest, 'utf8')) as { features: unknown[] };
  writeFileSync(manifest, JSON.stringify({ ...rest, features: [1, 0, 2, 3].map((at) => features[at]) }));
  rmSync(join(folder, 'samples.json'));

  const { closed, temporary } = startBench('--only', 'bulk', '--iris-model', folder);
  const { code, text, report } = await closed;
  expect(code).toBe(1);
  expect(report.scenarios).toEqual([]);
  expect(report.failures).toMatchObject([{ scenario: 'bulk' }]);
  expect(text).toMatch(/FAILED bulk: millrace, NDJSON: row \d+ is predicted as \d, not as \d/);
  expect(processesOf(temporary)).toEqual([]);
});

it('Ctrl-C ends it with everything that it has started', async () => {
  const { child, closed, says, temporary } = startBench(
    '--only',
    'bulk',
    '--rows',
    '20000',
    '--runs',
    '10000',
  );
  await says(/round 1 /);
  // Redis, the API, the worker, and the program itself.
  expect(processesOf(temporary).length).toBeGreaterThanOrEqual(4);
  child.kill('SIGINT');
  const { code, report } = await closed;
  expect(code).toBe(1);
  expect(report.failures).toEqual([{ scenario: 'bulk', message: 'it was broken off' }]);
  expect(processesOf(temporary)).toEqual([]);
});
