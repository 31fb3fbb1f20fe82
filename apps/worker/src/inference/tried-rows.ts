/** Tries rows on a graph that is being proved: samples, or rows that are made up from the manifest. */
import { ELEMENT_TYPES } from '@millrace/batch/manifest/element-types';
import { exampleRows } from '@millrace/batch/manifest/example';
import { float16Value } from '@millrace/batch/manifest/float16';
import type { Manifest } from '@millrace/batch/manifest/manifest';
import type { Samples } from '@millrace/batch/manifest/samples';
import { RowReader } from '@millrace/batch/rows/row-reader';
import { decodeRows } from './decode-rows.js';
import { NotPerRowError, type OnnxSession, type RunOutput } from './onnx-session.js';

/** A row, and what the graph gave for two of it in one micro-batch. */
export interface Answered {
  row: unknown;
  outputs: readonly RunOutput[];
}

export interface Tried {
  /** Rows that differ from one another, the best example first. */
  answered: Answered[];
  /** The first row tried, and why the graph did not take it. */
  first: unknown;
  error?: Error;
}

/** Samples that are looked at for two that differ. */
const SAMPLES_TRIED = 5;
/** Rows that differ, of which one is the example and two are run side by side. */
const ANSWERED_ENOUGH = 3;

/** @throws NotPerRowError */
export async function tryRows(
  session: OnnxSession,
  manifest: Manifest,
  samples: Samples | undefined,
): Promise<Tried> {
  const known = samples?.samples.slice(0, SAMPLES_TRIED).map(({ row }) => row);
  const rows = known ?? exampleRows(manifest);
  const reader = new RowReader(manifest);
  const taken = Uint32Array.from({ length: Math.min(2, manifest.limits.fixed_batch ?? 2) }, (_, at) => at);
  const tried: Tried = { answered: [], first: rows[0] };
  const seen = new Set<string>();
  for (const row of rows) {
    const text = JSON.stringify(row);
    if (seen.has(text) || tried.answered.length === ANSWERED_ENOUGH) continue;
    seen.add(text);
    const { inputs } = decodeRows([row, row], reader);
    try {
      tried.answered.push({ row, outputs: await session.run(manifest, inputs, taken) });
    } catch (error) {
      if (error instanceof NotPerRowError) throw error;
      tried.error ??= error as Error;
    }
  }
  // A sample is an example by intent; of the rows that were made up, one with finite answers is a better one.
  if (known === undefined) {
    const better = tried.answered.findIndex((answered) => hasFiniteAnswers(answered, manifest));
    if (better > 0) tried.answered.unshift(...tried.answered.splice(better, 1));
  }
  return tried;
}

export function hasFiniteAnswers({ outputs }: Answered, manifest: Manifest): boolean {
  return manifest.outputs.every(({ name, type, non_finite: nonFinite }) => {
    if (ELEMENT_TYPES[type].kind !== 'float' || nonFinite === 'string') return true;
    const data = outputs.find((each) => each.name === name)?.data ?? [];
    const isNumber =
      type === 'float16' ? (bits: number) => Number.isFinite(float16Value(bits)) : Number.isFinite;
    return Array.from(data as Iterable<number>).every(isNumber);
  });
}
