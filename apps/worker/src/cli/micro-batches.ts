/** Measures a model at several micro-batch sizes, beyond those that a worker would try. */
import { valuesPerRow } from '@millrace/batch/manifest/complete';
import type { Manifest } from '@millrace/batch/manifest/manifest';
import { type CurvePoint, measureCurve, sizesUpTo } from '../inference/micro-batch-curve.js';
import { OnnxSession } from '../inference/onnx-session.js';

const LARGEST = 16_384;
/** Values of a micro-batch, in and out; more would not fit in memory. */
const VALUES_MAX = 16_777_216;
const EFFORT = { sizeMs: 300, runMs: 2_000 };

/** @param rows valid rows, gone through again and again */
export async function measureMicroBatches(
  path: string,
  manifest: Manifest,
  rows: readonly unknown[],
): Promise<CurvePoint[]> {
  const { fixed_batch: fixed } = manifest.limits;
  const sizes = sizesUpTo(LARGEST).filter(
    (size) => size === 1 || size * valuesPerRow(manifest) <= VALUES_MAX,
  );
  const session = await OnnxSession.open(path);
  try {
    return await measureCurve(session, manifest, rows, fixed === undefined ? sizes : [fixed], EFFORT);
  } finally {
    await session.release();
  }
}
