/** How fast a model is by the size of its micro-batches: measured on the machine that is to serve it. */
import type { Manifest } from '@millrace/batch/manifest/manifest';
import { RowReader } from '@millrace/batch/rows/row-reader';
import { decodeRows } from './decode-rows.js';
import type { OnnxSession } from './onnx-session.js';

export interface CurvePoint {
  /** Rows per run of the session. */
  microBatch: number;
  /** Seconds of inference of one thread per row. */
  secondsPerRow: number;
}

export interface CurveEffort {
  /** How long each size is measured, in milliseconds; longer where a run takes nearly as long, or longer. */
  sizeMs: number;
  /** Larger sizes are not tried once a run takes longer, in milliseconds. */
  runMs: number;
}

/** Runs of each size, unless they take longer than so many times the time that it has. */
const RUNS_MIN = 3;
const OVERTIME = 10;
/**
 * A larger micro-batch is preferred when it is nearly as fast: beside other threads, whose work is in the caches when a run
 * begins, it is the faster one.
 */
const NEARLY = 0.95;
/** Shorter runs feel what it takes to begin one, on a busy machine more than while they are measured. */
const RUN_MS_MIN = 1;
/** Longer ones keep what is cancelled waiting: a run cannot be interrupted. */
const RUN_MS_MAX = 100;

/**
 * @param rows valid rows, gone through again and again
 * @param sizes ascending
 * @returns at least one point, by rising size
 */
export async function measureCurve(
  session: OnnxSession,
  manifest: Manifest,
  rows: readonly unknown[],
  sizes: readonly number[],
  { sizeMs, runMs }: CurveEffort,
): Promise<CurvePoint[]> {
  const reader = new RowReader(manifest);
  const curve: CurvePoint[] = [];
  for (const microBatch of sizes) {
    const batch = decodeRows(
      Array.from({ length: microBatch }, (_, at) => rows[at % rows.length]),
      reader,
    );
    const sized = { ...manifest, limits: { ...manifest.limits, micro_batch: microBatch } };
    const run = () => session.predict(sized, batch);
    await run();
    const point = { microBatch, secondsPerRow: (await fastestRun(run, sizeMs)) / microBatch };
    curve.push(point);
    if (runMsOf(point) > runMs) break;
  }
  return curve;
}

/**
 * Seconds of the fastest of the runs in `ms`: what else the machine does makes none faster. On a busy machine a run may be
 * interrupted for as long as that, so that some are made in any case, unless they take far longer.
 */
export async function fastestRun(run: () => Promise<unknown>, ms: number): Promise<number> {
  const startedAt = performance.now();
  let fastestMs = Number.POSITIVE_INFINITY;
  let endedAt = startedAt;
  for (let runs = 0; endedAt - startedAt < (runs < RUNS_MIN ? OVERTIME * ms : ms); runs++) {
    const runAt = performance.now();
    await run();
    endedAt = performance.now();
    fastestMs = Math.min(fastestMs, endedAt - runAt);
  }
  return fastestMs / 1000;
}

/**
 * Of the sizes whose runs are neither short nor long, the largest that is nearly as fast as the fastest; where there is none,
 * the largest whose runs are not long.
 */
export function recommended(curve: readonly CurvePoint[]): CurvePoint {
  const bounded = curve.filter((point) => runMsOf(point) <= RUN_MS_MAX);
  const fit = bounded.filter((point) => runMsOf(point) >= RUN_MS_MIN);
  const fastest = Math.min(...fit.map(({ secondsPerRow }) => secondsPerRow));
  const found = fit.findLast(({ secondsPerRow }) => secondsPerRow * NEARLY <= fastest);
  return found ?? bounded.at(-1) ?? (curve[0] as CurvePoint);
}

function runMsOf({ microBatch, secondsPerRow }: CurvePoint): number {
  return microBatch * secondsPerRow * 1000;
}

/** From one row on, each size four times the one before, up to the largest. */
export function sizesUpTo(largest: number): number[] {
  const sizes: number[] = [];
  for (let size = 1; size < largest; size *= 4) sizes.push(size);
  return [...sizes, largest];
}
