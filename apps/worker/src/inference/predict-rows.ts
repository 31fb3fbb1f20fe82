/** Predicts rows in micro-batches; in one that throws it finds the rows at fault by halving it, and predicts the others. */
import type { Manifest } from '@millrace/batch/manifest/manifest';
import { rowShapeOf } from '@millrace/batch/results/column';
import { shorten } from '@millrace/batch/rows/describe';
import type { InputRows } from '@millrace/batch/rows/input-rows';
import { halves } from './micro-batch.js';
import { NotPerRowError, type OnnxSession, type RunOutput, runFailure } from './onnx-session.js';

/** Rows of the inputs, and what came of them. */
export interface RowSink {
  /** Asked before every run. */
  isGivenUp?(): boolean;
  predicted(rows: Uint32Array, outputs: readonly RunOutput[]): void;
  failed(rows: Uint32Array, message: string): void;
}

/**
 * To find the rows at fault takes two runs for each row of a batch at the most, and ends much sooner where they are few.
 * A model that fails on everything would take all of them in every chunk: after so many runs that threw, and none that
 * did not, it is left at that. 2,048 take a quarter of a second, about as long as a chunk is meant to.
 */
const HOPELESS_AFTER = 2_048;
const MESSAGE_MAX = 300;

/**
 * Blocks the thread.
 * @param batches rows of one shape each
 * @throws NotPerRowError, and Error when it is given up
 */
export async function predictRows(
  session: OnnxSession,
  manifest: Manifest,
  inputs: readonly InputRows[],
  batches: readonly Uint32Array[],
  sink: RowSink,
): Promise<void> {
  let thrown = 0;
  let predicted = false;
  // Large parts before small ones: where anything can be predicted, that is seen before the patience ends.
  for (let parts = batches; parts.length > 0; ) {
    const halved: Uint32Array[] = [];
    for (const part of parts) {
      if (sink.isGivenUp?.() === true) throw new Error('nobody wants the result any more');
      const outcome = await attempt(session, manifest, inputs, part);
      if (outcome.kind === 'predicted') {
        predicted = true;
        sink.predicted(part, outcome.outputs);
        continue;
      }
      thrown++;
      const reason = shorten(outcome.reason, MESSAGE_MAX);
      if (part.length === 1) sink.failed(part, `the model failed on this row: ${reason}`);
      else if (predicted || thrown < HOPELESS_AFTER) halved.push(...halves(part));
      else sink.failed(part, `the model failed on this row and ${part.length - 1} beside it: ${reason}`);
    }
    parts = halved;
  }
}

type Attempt = { kind: 'predicted'; outputs: RunOutput[] } | { kind: 'thrown'; reason: string };

async function attempt(
  session: OnnxSession,
  manifest: Manifest,
  inputs: readonly InputRows[],
  part: Uint32Array,
): Promise<Attempt> {
  try {
    const outputs = await session.run(manifest, inputs, part);
    manifest.outputs.forEach((output, at) => {
      rowShapeOf(output, (outputs[at] as RunOutput).rowShape);
    });
    return { kind: 'predicted', outputs };
  } catch (error) {
    // That is no row's fault, and a single row would pass for answered.
    if (error instanceof NotPerRowError) throw error;
    return { kind: 'thrown', reason: runFailure(error) };
  }
}
