import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { Int64 } from 'apache-arrow';
import { expect, it, onTestFinished } from 'vitest';
import { fastestOf } from '../../bench/dist/bench/src/fastest.js';
import { DifferenceError, PredictionCheck } from '../../bench/dist/bench/src/prediction-check.js';
import { untilQuiet } from '../../bench/dist/bench/src/quiet.js';
import type { Sample } from '../../bench/dist/bench/src/report.js';
import {
  checkArrow,
  checkCsv,
  checkJson,
  checkNdjson,
  checkPage,
} from '../../bench/dist/bench/src/result-reader.js';
import { sendAll } from '../../bench/dist/bench/src/scenarios/requests.js';
import { percentile, spreadOf } from '../../bench/dist/bench/src/statistics.js';
import { summarise } from '../../bench/dist/bench/src/summary.js';
import { UsageMeter } from '../../bench/dist/bench/src/usage/usage-meter.js';
import { tableStream } from '../../packages/columnar/test/arrow-stream.js';

it('a spread is the median with the lowest and the highest', () => {
  expect(spreadOf([5, 1, 4])).toEqual({ median: 4, low: 1, high: 5 });
  expect(spreadOf([4, 1, 2, 9])).toEqual({ median: 3, low: 1, high: 9 });
});

it('a percentile is a value that was there', () => {
  const values = Array.from({ length: 100 }, (_, at) => at + 1);
  expect([0.5, 0.95, 0.99, 1].map((part) => percentile(values, part))).toEqual([50, 95, 99, 100]);
  expect(percentile([7], 0.99)).toBe(7);
});

it('the fastest is that of the quickest turn, all taking turns', async () => {
  const turns = { a: [5, 3], b: [9, 2], c: [4, 4] };
  const tried: string[] = [];
  const found = await fastestOf(['a', 'b', 'c'] as const, 2, async (candidate) => {
    tried.push(candidate);
    return turns[candidate].shift() as number;
  });
  expect(found).toBe('b');
  expect(tried.join('')).toBe('abcabc');
});

it('ratios are made within each round, and figures per row by the rows of the run', () => {
  const sample = (seconds: number): Sample => ({
    rows: 2_000_000,
    seconds,
    step_seconds: { infer: seconds, total: 2 * seconds },
    cpu_seconds: { api: seconds },
    memory: { api: { before_bytes: 1, peak_bytes: seconds } },
    redis: { stored_bytes: 4_000_000, peak_bytes: 8_000_000 },
  });
  // The machine was twice as slow in the second round: the ratio is the same in both.
  const rounds = [1, 2].map(
    (slow) =>
      new Map([
        ['ours', sample(4 * slow)],
        ['floor', sample(2 * slow)],
      ]),
  );
  const open = { unit: 'rows/s', variants: [], references: ['floor'], described: [] } as const;
  const { variants } = summarise('bulk', open, rounds);
  expect(variants.find(({ name }) => name === 'ours')).toMatchObject({
    rate: { median: 375_000, low: 250_000, high: 500_000 },
    ratios: { floor: { median: 0.5, low: 0.5, high: 0.5 } },
    step_seconds_per_million_rows: { infer: { median: 3, low: 2, high: 4 }, total: { median: 6 } },
    cpu_seconds_per_million_rows: { api: { median: 3, low: 2, high: 4 } },
    peak_bytes: { api: { high: 8 } },
    redis_stored_bytes_per_row: { median: 2 },
    redis_peak_bytes_per_row: { median: 4 },
  });
});

const EXPECTED = { classes: ['no', 'yes'], labels: [0, 1, 1] };
const check = (rows = 3) => new PredictionCheck(EXPECTED, rows);
const bytes = (text: string) => [Buffer.from(text)];
const line = (row: number, prediction: string) => `${JSON.stringify({ row, prediction })}\n`;

it('a result that has every row with its prediction is right, in each format', async () => {
  checkJson(Buffer.from('{"predictions":["no","yes","yes"]}'), check());
  const lines = line(0, 'no') + line(1, 'yes') + line(2, 'yes');
  await checkNdjson(
    [...lines].map((each) => Buffer.from(each)),
    check(),
  );
  await checkCsv(bytes('row,id,prediction\r\n0,,no\r\n1,,yes\r\n2,,yes\r\n'), check(), false);
});

it.each([
  ['a prediction is another', line(0, 'no') + line(1, 'no') + line(2, 'yes')],
  ['a row is an error', `${line(0, 'no')}{"row":1,"error":{"code":"timeout"}}\n${line(2, 'yes')}`],
  ['the last row is missing', line(0, 'no') + line(1, 'yes')],
  ['a row is missing in the middle', line(0, 'no') + line(2, 'yes')],
  ['a row comes twice', line(0, 'no') + line(1, 'yes') + line(1, 'yes')],
  ['there is one more', line(0, 'no') + line(1, 'yes') + line(2, 'yes') + line(3, 'no')],
])('a result is wrong when %s', async (_, lines) => {
  await expect(checkNdjson(bytes(lines), check())).rejects.toThrow(DifferenceError);
});

it('wrong JSON and CSV are found as well', async () => {
  expect(() => checkJson(Buffer.from('{"predictions":["no","yes","no"]}'), check())).toThrow(
    'row 2 is predicted as "no", not as "yes"',
  );
  expect(() => checkJson(Buffer.from('{"status":"failed"}'), check())).toThrow(DifferenceError);
  await expect(checkCsv(bytes('row,id,prediction\n1,,no\n'), check(1), false)).rejects.toThrow(
    DifferenceError,
  );
});

it('a row of CSV without a prediction is not taken for class 0', async () => {
  const csv = bytes('row,id,prediction,error_code,error_message\r\n0,,,timeout,no\r\n');
  const numbers = new PredictionCheck({ classes: [0, 1], labels: [0] }, 1);
  await expect(checkCsv(csv, numbers, true)).rejects.toThrow(DifferenceError);
});

it('a page has the rows after those that were taken, and no others', () => {
  const pages = check();
  checkPage([{ row: 0, prediction: 'no' }], pages);
  expect(() => checkPage([{ row: 2, prediction: 'yes' }], pages)).toThrow('where row 1 should be is row 2');
});

it('looks for results are counted over all requests, of a peer that is polled', async () => {
  const requests = { bodies: [Buffer.from('a'), Buffer.from('b')], rowsEach: 1, rows: 2 };
  const peer = (polls: { polls?: number }) => {
    const predict = async () => ({ check: () => {}, ...polls });
    return { name: 'peer', ids: {}, versions: {}, settings: {}, predict, stop: async () => {} };
  };
  expect(await sendAll(peer({ polls: 3 }), requests, 1, EXPECTED)).toMatchObject({ polls: 6 });
  expect(await sendAll(peer({}), requests, 1, EXPECTED)).not.toHaveProperty('polls');
});

/** A result in Arrow, of record batches of two rows. */
const arrow = (rows: number[], labels: (number | null)[]) => {
  const columns = { row: rows, label: labels };
  const int64 = (value: number | null) => (value === null ? null : BigInt(value));
  return tableStream(
    Object.entries(columns).map(([name, values]) => ({ name, type: new Int64(), values: values.map(int64) })),
    2,
  );
};
const numbered = () => new PredictionCheck({ classes: [0, 1], labels: EXPECTED.labels }, 3);

it('Arrow that has every row with its label is right', () => {
  checkArrow(arrow([0, 1, 2], [0, 1, 1]), numbered());
});

it.each([
  ['a label is another', [0, 1, 2], [0, 1, 0]],
  ['a row has none', [0, 1, 2], [null, 1, 1]],
  ['the last row is missing', [0, 1], [0, 1]],
  ['a row is missing in the middle', [0, 2], [0, 1]],
  ['a row comes twice', [0, 1, 1], [0, 1, 1]],
  ['there is one more', [0, 1, 2, 3], [0, 1, 1, 0]],
])('Arrow is wrong when %s', (_, rows, labels) => {
  expect(() => checkArrow(arrow(rows, labels), numbered())).toThrow(DifferenceError);
});

it('it begins when the load is low, and when it has waited for long enough', async () => {
  const { signal } = new AbortController();
  const loads = [1.7, 0.5, 0.4, 0.3];
  await untilQuiet({ load: () => loads.shift() as number, signal, lookMs: 1 });
  expect(loads).toEqual([0.3]);
  await untilQuiet({ load: () => 2, signal, waitMs: 5, lookMs: 1 });
  await untilQuiet({ load: () => 2, signal: AbortSignal.abort() });
});

/** Burns CPU and takes memory for a while when it is asked to, and tells what it has burnt. */
const BUSY = `
process.stdin.once('data', () => {
  const before = process.cpuUsage();
  let held = Buffer.alloc(200e6, 1);
  held = undefined;
  for (const end = performance.now() + 400; performance.now() < end;);
  const { user, system } = process.cpuUsage(before);
  process.stdout.write(String((user + system) / 1e6));
});
process.stdout.write('ready');`;

/** Has a child that takes memory and keeps it. */
const PARENT = `
const held = 'const held = Buffer.alloc(200e6, 1); process.stdout.write("held"); process.stdin.on("end", () => held).resume();';
require('node:child_process').spawn(process.execPath, ['-e', held], { stdio: 'inherit' });
process.stdin.on('end', () => {}).resume();`;

it('memory is that of children as well, but for Redis, whose child shares it', async () => {
  const parent = spawn(process.execPath, ['-e', PARENT], { stdio: ['pipe', 'pipe', 'inherit'] });
  onTestFinished(() => void parent.stdin.end());
  await once(parent.stdout, 'data');
  const pids = [parent.pid as number];
  const meter = new UsageMeter({ worker: pids, redis: pids });
  const { memory } = meter.stop();
  const { worker, redis } = memory ?? {};
  expect((worker?.peak_bytes as number) - (redis?.peak_bytes as number)).toBeGreaterThan(190e6);
  expect((worker?.before_bytes as number) - (redis?.before_bytes as number)).toBeGreaterThan(190e6);
});

it('CPU is what the process itself says, and memory the most that there was', async () => {
  const child = spawn(process.execPath, ['-e', BUSY], { stdio: ['pipe', 'pipe', 'inherit'] });
  onTestFinished(() => void child.kill());
  await once(child.stdout, 'data');
  // Named twice, as a child is that is listed beside its parent, it counts once.
  const meter = new UsageMeter({ busy: [child.pid as number, child.pid as number] });
  child.stdin.write('go');
  const [own] = await once(child.stdout, 'data');
  const { cpu_seconds: cpu, memory } = meter.stop();
  expect(Number(own)).toBeGreaterThan(0.1);
  expect(Math.abs((cpu?.busy as number) - Number(own))).toBeLessThan(0.1);
  const { before_bytes: before = 0, peak_bytes: peak = 0 } = memory?.busy ?? {};
  expect(peak - before).toBeGreaterThan(190e6);
});
