import { readFileSync } from 'node:fs';
import type { RowError } from '@millrace/batch/errors';
import type { ChunkResult } from '@millrace/batch/results/encode-chunk';
import type { ChunkSource } from '@millrace/batch/rows/chunk-rows';
import { beforeAll, expect, it } from 'vitest';
import {
  CRASHES,
  HANGS,
  HEALTHY,
  lasting,
  POISON_MODEL,
  POISON_SAMPLES,
  remainder,
  THROWS,
} from '../../../test/fixtures/poison-model.js';
import { until } from '../../../test/fixtures/until.js';
import type { SearchLimits } from '../dist/suspects/search.js';
import { SuspectProcess } from '../dist/suspects/suspect-process.js';
import { Suspects } from '../dist/suspects/suspects.js';
import { useOneServing } from './serving.js';

const LIMITS: SearchLimits = {
  rowMs: 1_500,
  partMs: 300,
  openMs: 20_000,
  totalMs: 60_000,
  processes: 64,
};
const serving = useOneServing();

beforeAll(async () => {
  serving.write('poison/1/model.onnx', POISON_MODEL);
  serving.write('poison/1/model.json', { limits: { micro_batch: 4 } });
  serving.write('poison/1/samples.json', POISON_SAMPLES);
  await serving.open();
});

const pin = () => serving.registry.pins[0] as string;
const text = (bytes: Uint8Array | undefined) => new TextDecoder().decode(bytes);
const errorsOf = ({ segments }: ChunkResult): RowError[] => JSON.parse(`[${text(segments.errors)}]`);
const predictionsOf = ({ segments }: ChunkResult): unknown[] => JSON.parse(`[${text(segments.predictions)}]`);
const healthy = (rows: number): number[] =>
  Array.from({ length: rows }, (_, row) => HEALTHY[row % HEALTHY.length] as number);

function sourceOf(rows: readonly (number | string)[], change: Partial<ChunkSource> = {}): ChunkSource {
  const bytes = new TextEncoder().encode(rows.map((row) => `${row}\n`).join(''));
  return { format: 'ndjson', firstRow: 0, rows: rows.length, bytes, ...change };
}

function apart(
  source: ChunkSource,
  limits: Partial<SearchLimits> = {},
  signal = new AbortController().signal,
): Promise<ChunkResult> {
  return new Suspects({ ...LIMITS, ...limits }).predict(serving.pool.model(pin()), source, signal);
}

/** Processes that this one has started and that have not ended, by their command line. */
function suspectProcesses(): number[] {
  const children = readFileSync(`/proc/${process.pid}/task/${process.pid}/children`, 'utf8').trim();
  return children
    .split(' ')
    .filter((pid) => pid !== '' && readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('suspect-child'))
    .map(Number);
}

function untilOneComputes(): Promise<number> {
  return until(() => {
    const [pid] = suspectProcesses();
    // User time in ticks; the start of the process and of the model takes well under a second.
    const stat = pid === undefined ? '' : readFileSync(`/proc/${pid}/stat`, 'utf8');
    return Number(stat.split(') ')[1]?.split(' ')[11]) > 80 ? pid : undefined;
  });
}

it('a healthy suspect comes out byte for byte as from a thread', async () => {
  const lines = [...healthy(500), '{"x":3,"id":"a"}', '{"x":"3","id":7}', 'nothing', THROWS];
  const result = await apart(sourceOf(lines, { firstRow: 1_000 }));
  const source = sourceOf(lines, { firstRow: 1_000 });
  const { result: known } = await serving.pool.predict({ pin: pin(), source });
  expect(result.counts).toEqual(known.counts);
  expect(Object.keys(result.segments)).toEqual(Object.keys(known.segments));
  for (const [name, bytes] of Object.entries(known.segments)) {
    expect(text(result.segments[name]), name).toBe(text(bytes));
  }
});

it.each([
  ['the first', [0]],
  ['the last', [299]],
  ['two beside each other', [130, 131]],
])('rows that end the process are found, and only they fail: %s', async (_, poison) => {
  const rows = healthy(300);
  for (const row of poison) rows[row] = CRASHES;
  const result = await apart(sourceOf(rows));
  const message = 'the model ended its process on this row: SIGFPE';
  expect(errorsOf(result)).toEqual(poison.map((row) => ({ row, code: 'worker_lost', message })));
  expect(predictionsOf(result)).toEqual(rows.map((x) => (x === CRASHES ? null : remainder(x))));
});

it('a row that does not come to an end is found, and only it fails', async () => {
  const rows = healthy(100);
  rows[40] = HANGS;
  const result = await apart(sourceOf(rows));
  const message = 'the model gave no answer for this row within 1.5 s';
  expect(errorsOf(result)).toEqual([{ row: 40, code: 'timeout', message }]);
  expect(predictionsOf(result)).toEqual(rows.map((x) => (x === HANGS ? null : remainder(x))));
});

it('rows that fail in every way are told apart, with their ids, from CSV too', async () => {
  const records = ['1,a', `${CRASHES},b`, 'x,c', `${HANGS},d`, '7,e', `${THROWS},f`, '9,'];
  const result = await apart(sourceOf(records, { format: 'csv', columns: [0, 'id'], firstRow: 10 }));
  expect(errorsOf(result).map(({ row, id, code }) => [row, id, code])).toEqual([
    [11, 'b', 'worker_lost'],
    [12, 'c', 'wrong_type'],
    [13, 'd', 'timeout'],
    [15, 'f', 'inference_failed'],
  ]);
  expect(result.counts).toEqual({ succeeded: 3, invalid: 1, failed: 3 });
  expect(predictionsOf(result)).toEqual([remainder(1), null, null, null, remainder(7), null, remainder(9)]);
});

it('rows that are slow together but not alone are all predicted', async () => {
  const rows = [lasting(0.3), lasting(0.4), 5];
  const result = await apart(sourceOf(rows), { partMs: 150, rowMs: 20_000 });
  expect(predictionsOf(result)).toEqual(rows.map(remainder));
});

it('a process that is killed by hand costs no row', async () => {
  const rows = [lasting(2)];
  const running = apart(sourceOf(rows), { rowMs: 20_000 });
  process.kill(await untilOneComputes(), 'SIGKILL');
  expect(predictionsOf(await running)).toEqual(rows.map(remainder));
});

it('signals to all processes of a group do not end it', async () => {
  const rows = [lasting(2)];
  const running = apart(sourceOf(rows), { rowMs: 20_000 });
  const pid = await untilOneComputes();
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.kill(pid, signal);
  expect(predictionsOf(await running)).toEqual(rows.map(remainder));
});

it.each<[string, Partial<SearchLimits>, number, RegExp]>([
  // Time enough for parts: no process is to be lost but over the row at fault.
  [
    'many processes',
    { processes: 1, partMs: 5_000 },
    60,
    /1 beside it.* took too long; its process ended with SIGFPE/,
  ],
  ['much time', { totalMs: 1 }, 0, /^this row was not tried: .* took too long$/],
])('a search that takes too %s gives up what it has not found out', async (_, limits, succeeded, message) => {
  const rows = healthy(64);
  rows[62] = CRASHES;
  const result = await apart(sourceOf(rows), limits);
  expect(errorsOf(result).at(-1)?.message).toMatch(message);
  expect(result.counts).toEqual({ succeeded, invalid: 0, failed: 64 - succeeded });
});

it('there is a place for one; the next is told so', () => {
  const suspects = new Suspects(LIMITS);
  const giveBack = suspects.reserve();
  expect([typeof giveBack, suspects.reserve()]).toEqual(['function', undefined]);
  giveBack?.();
  expect(suspects.reserve()).toBeDefined();
});

it.each(['the chunk is handed back', 'the worker stops'])('its process ends when %s', async (how) => {
  const handBack = new AbortController();
  const suspects = new Suspects({ ...LIMITS, rowMs: 60_000 });
  const source = sourceOf([HANGS]);
  const running = suspects.predict(serving.pool.model(pin()), source, handBack.signal);
  const ended = expect(running).rejects.toThrow('ended with its worker');
  await untilOneComputes();
  if (how === 'the worker stops') await suspects.stop();
  else handBack.abort();
  await ended;
  expect(suspectProcesses()).toEqual([]);
});

it('an answer that came while the worker slept is in time', async () => {
  const child = new SuspectProcess();
  await child.ask({ kind: 'open', model: serving.pool.model(pin()), source: sourceOf([5]) }, LIMITS.openMs);
  const asked = child.ask({ kind: 'predict', rows: Uint32Array.of(0) }, 500);
  // As SIGSTOP or the sleep of the machine does: when it wakes, its timers are due, and the answer is there.
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1_500);
  expect(await asked).toMatchObject({ kind: 'predicted' });
  await child.end();
});

// The last one: it takes the models away.
it('a model that cannot be loaded any more is an error, not the rows’ fault', async () => {
  await serving.copies.close();
  await expect(apart(sourceOf([1]))).rejects.toThrow('refuses the graph');
});
