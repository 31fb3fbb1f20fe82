/**
 * Cliff: whether chunks are worked off as fast when a hundred thousand wait as when a thousand do. A chunk is one row of a
 * model that takes long for its samples, by which the platform sizes chunks, and no time at all for the rows: so it is the
 * queue that is measured. The worker sleeps (SIGSTOP) while the rows are uploaded, and the clock starts when the first
 * of them is done.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { lasting, POISON_MODEL, remainder } from '../../../test/fixtures/poison-model.js';
import { measureRun } from '../measure.js';
import type { Millrace } from '../peers/millrace.js';
import { type Expected, PredictionCheck } from '../prediction-check.js';
import type { Sample } from '../report.js';
import { checkPage } from '../result-reader.js';
import { ndjsonPieces } from '../workloads/rows.js';
import type { OpenScenario, ScenarioContext, Variant } from './scenario.js';
import { startMillrace } from './start-millrace.js';

/** Chunks that wait, for a million rows of bulk. */
const DEPTHS = [1_000, 10_000, 100_000];
const BULK_ROWS = 1_000_000;
/** How many of them are measured: some seconds of work. */
const MEASURED = 4_000;
/** More than the quarter of a second for which a chunk is meant to last: so it has one row. */
const SAMPLE_SECONDS = 0.6;
/** Values of the rows, and what comes of them. */
const VALUES = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10];
const EXPECTED: Expected = { classes: VALUES.map(remainder), labels: VALUES.map((_, label) => label) };
const LOOK_MS = 20;
/** The worker keeps the chunks that it held when it fell asleep. */
const SETTINGS = { LOCK_MS: '600000' };

export async function cliff(context: ScenarioContext): Promise<OpenScenario> {
  const folder = makeModel(context.directory);
  const millrace = await startMillrace(
    context,
    { model: 'quick', folder },
    { threads: 1, settings: SETTINGS },
  );
  const share = (chunks: number) => Math.max(2, Math.ceil((chunks * context.options.rows) / BULK_ROWS));
  const depths = new Set(DEPTHS.map(share));
  const variants = [...depths].map((depth) => depthVariant(millrace, depth, share(MEASURED)));
  const [first] = variants as [Variant, ...Variant[]];
  return {
    unit: 'rows/s',
    variants,
    references: [first.name],
    described: [millrace],
    warmUp: () => first.run(),
  };
}

function depthVariant(millrace: Millrace, depth: number, measured: number): Variant {
  const name = `${depth.toLocaleString('en')} chunks waiting`;
  const values = Float64Array.from({ length: depth }, (_, row) => VALUES[row % VALUES.length] as number);
  const pieces = ndjsonPieces({ kind: 'numbers', names: ['x'], values });
  return { name, run: async () => ({ [name]: await runAtDepth(millrace, pieces, depth, measured) }) };
}

/** Where so few wait that they are done too soon, they are sent again. */
async function runAtDepth(
  millrace: Millrace,
  pieces: Buffer[],
  depth: number,
  measured: number,
): Promise<Sample> {
  const parts: Sample[] = [];
  for (let sent = 0; sent < measured; sent += depth) {
    parts.push(await runOnce(millrace, pieces, depth, measured));
  }
  return together(parts);
}

async function runOnce(
  millrace: Millrace,
  pieces: Buffer[],
  depth: number,
  measured: number,
): Promise<Sample> {
  await millrace.ready();
  millrace.platform.signalWorkers('SIGSTOP');
  const id = await millrace.submit('ndjson', pieces);
  millrace.platform.signalWorkers('SIGCONT');
  const untilDone = async (rows: number) => {
    for (;;) {
      const done = (await millrace.readPage(id, 1)).rows.succeeded;
      if (done >= rows) return done;
      await delay(LOOK_MS);
    }
  };
  // However often it is woken for a depth, how long that takes does not count.
  await untilDone(1);
  let counted = 0;
  // Without the store: what Redis holds here are rows on their way, which says nothing of results.
  const { ids } = millrace;
  const sample = await measureRun({ ids, forget: () => millrace.forget() }, { rows: depth }, async () => {
    const first = await untilDone(1);
    const enough = Math.min(depth, first + measured);
    const last = await untilDone(enough);
    // With --quick, so few may all be done at the first look.
    counted = last > first ? last - first : last;
    return { check: () => checkFirst(millrace, id, enough) };
  });
  return { ...sample, rows: counted };
}

/** Runs one after the other as one. */
function together(parts: readonly Sample[]): Sample {
  return parts.reduce((all, part) => ({
    rows: all.rows + part.rows,
    seconds: all.seconds + part.seconds,
    cpu_seconds: byProcess(all.cpu_seconds, part.cpu_seconds, (a, b) => a + b),
    memory: byProcess(all.memory, part.memory, (a, b) => ({
      before_bytes: a.before_bytes,
      peak_bytes: Math.max(a.peak_bytes, b.peak_bytes),
    })),
  }));
}

function byProcess<T>(some: Record<string, T> = {}, others: Record<string, T> = {}, of: (a: T, b: T) => T) {
  return Object.fromEntries(
    Object.entries(some).map(([name, each]) => [name, of(each, others[name] ?? each)]),
  );
}

/** Pages have rows in order, up to the first that is not finished. */
async function checkFirst(millrace: Millrace, id: string, rows: number): Promise<void> {
  const check = new PredictionCheck(EXPECTED, rows);
  for (let cursor = 0; check.next < rows; ) {
    const { results, next } = await millrace.readPage(id, rows, cursor);
    checkPage(results.slice(0, rows - check.next), check);
    cursor = next;
  }
  check.end();
}

/** @returns the version folder */
function makeModel(directory: string): string {
  const folder = join(directory, 'quick');
  const slow = lasting(SAMPLE_SECONDS);
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'model.onnx'), POISON_MODEL);
  writeFileSync(join(folder, 'model.json'), JSON.stringify({ limits: { micro_batch: 1 } }));
  writeFileSync(
    join(folder, 'samples.json'),
    JSON.stringify({ samples: [{ row: { x: slow }, outputs: { y: remainder(slow) } }] }),
  );
  return folder;
}
