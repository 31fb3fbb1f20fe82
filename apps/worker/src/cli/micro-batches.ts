/** Measures a model at several micro-batch sizes. */
import { valuesPerRow } from '@millrace/batch/manifest/complete';
import type { Manifest } from '@millrace/batch/manifest/manifest';
import { RowReader } from '@millrace/batch/rows/row-reader';
import { decodeRows } from '../inference/decode-rows.js';
import { OnnxSession } from '../inference/onnx-session.js';

export interface Measured {
  microBatch: number;
  /** Of one thread, inference alone. */
  rowsPerSecond: number;
}

const SIZES = [1, 4, 16, 64, 256, 1024, 4096, 16_384];
/** Values of a micro-batch, in and out; more would not fit in memory. */
const VALUES_MAX = 16_777_216;
/** Per size; a size of which one run takes longer is run once. */
const MEASURED_MS = 300;
/** Larger sizes are not tried once a run takes longer. */
const RUN_MS_MAX = 2_000;
/** A smaller micro-batch is preferred when it is nearly as fast: it takes less memory. */
const NEARLY = 0.95;

/** @param rows valid rows, gone through again and again */
export async function measureMicroBatches(
  path: string,
  manifest: Manifest,
  rows: readonly unknown[],
): Promise<Measured[]> {
  const session = await OnnxSession.open(path);
  const { fixed_batch: fixed } = manifest.limits;
  const measured: Measured[] = [];
  const sizes = SIZES.filter((size) => size === 1 || size * valuesPerRow(manifest) <= VALUES_MAX);
  for (const microBatch of fixed === undefined ? sizes : [fixed]) {
    const limits = { ...manifest.limits, micro_batch: microBatch };
    const batch = Array.from({ length: microBatch }, (_, at) => rows[at % rows.length]);
    const decoded = decodeRows(batch, new RowReader(manifest));
    const run = () => session.predict({ ...manifest, limits }, decoded);
    await run();
    const startedAt = performance.now();
    let runs = 0;
    while (runs === 0 || performance.now() - startedAt < MEASURED_MS) {
      await run();
      runs++;
    }
    const seconds = (performance.now() - startedAt) / 1000;
    measured.push({ microBatch, rowsPerSecond: (runs * microBatch) / seconds });
    if ((seconds * 1000) / runs > RUN_MS_MAX) break;
  }
  await session.release();
  return measured;
}

/** The smallest size that is nearly as fast as the fastest. */
export function recommended(measured: readonly Measured[]): number {
  const best = Math.max(...measured.map(({ rowsPerSecond }) => rowsPerSecond));
  return measured.find(({ rowsPerSecond }) => rowsPerSecond >= best * NEARLY)?.microBatch ?? 1;
}
