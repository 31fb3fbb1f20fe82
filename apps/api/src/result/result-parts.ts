/** The bytes of a result in each format, part by part. */
import type { ResultRow } from '@millrace/batch/results/read-chunk';
import type { RowDeps } from '@millrace/tasks/merged-rows';
import {
  isStored,
  LINES,
  type LineFormat,
  type Parts,
  type ResultView,
  textOfRows,
} from '@millrace/tasks/result-lines';
import { readChunk } from '@millrace/tasks/stored-chunks';
import { arrowParts } from './arrow-parts.js';
import { taskAnswer } from './task-answer.js';

export type ResultFormat = 'json' | 'arrow' | LineFormat;

export const PARTS: Record<ResultFormat, (deps: RowDeps, view: ResultView) => Parts> = {
  json: jsonParts,
  arrow: arrowParts,
  ...LINES,
};

async function* jsonParts(deps: RowDeps, view: ResultView): Parts {
  const { task, merged } = view.shown;
  yield JSON.stringify(await taskAnswer(deps, view.shown)).slice(0, -1);
  if (task.error === undefined) {
    yield ',"predictions":[';
    yield* joined(
      isStored(view) ? storedSegment(deps, view, 'predictions') : textOfRows(deps, view, predictionText),
    );
    yield '],"errors":[';
    if (task.ledger.succeeded < task.ledger.total) {
      yield* joined(
        merged.length === 0 ? storedSegment(deps, view, 'errors') : textOfRows(deps, view, errorText),
      );
    }
    yield ']';
  }
  yield '}\n';
}

function predictionText({ prediction }: ResultRow): string {
  return prediction ?? 'null';
}

/** Nothing of a row that was predicted. */
function errorText({ error }: ResultRow): string | undefined {
  return error && JSON.stringify(error);
}

/** Puts commas between the parts of a JSON list. */
async function* joined(parts: AsyncIterable<Uint8Array | string[]>): Parts {
  let isFirst = true;
  for await (const part of parts) {
    if (part.length === 0) continue;
    if (!isFirst) yield ',';
    isFirst = false;
    yield Array.isArray(part) ? part.join(',') : part;
  }
}

/** One segment of every chunk that has it. */
async function* storedSegment(deps: RowDeps, { walk }: ResultView, name: string): AsyncGenerator<Uint8Array> {
  for await (const { segments } of walk.each((chunk) => readChunk(deps.store, walk.task.id, chunk, [name]))) {
    const bytes = segments[name];
    if (bytes !== undefined) yield bytes;
  }
}
