/** The text of a result in each format, part by part: stored bytes as they are where they can be copied, rows where not. */
import { CSV_HEADER, taskErrorLine, toCsvLine } from '@millrace/batch/results/csv-line';
import { type Outputs, type ResultRow, toLine } from '@millrace/batch/results/read-chunk';
import { mergedRows, type RowDeps } from './merged-rows.js';
import type { RetriedTask } from './retries.js';
import { type ChunkWalk, readChunk, type StoredChunk } from './stored-chunks.js';
import { taskAnswer } from './task-answer.js';

export type ResultFormat = 'json' | 'ndjson' | 'csv';
export type Parts = AsyncGenerator<Uint8Array | string>;

/** What of a task is read, and how. */
export interface ResultView {
  /** The task as clients see it. */
  shown: RetriedTask;
  outputs: Outputs;
  /** Rows before this one are left out; 0 for JSON. */
  fromRow: number;
  /** From the chunk of that row on. */
  walk: ChunkWalk;
}

export const PARTS: Record<ResultFormat, (deps: RowDeps, view: ResultView) => Parts> = {
  json: jsonParts,
  ndjson: ndjsonParts,
  csv: csvParts,
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

/** True when the bytes that are wanted are those that were stored. */
function isStored({ outputs, shown }: ResultView): boolean {
  return outputs === 'default' && shown.merged.length === 0;
}

async function* ndjsonParts(deps: RowDeps, view: ResultView): Parts {
  if (isStored(view)) yield* storedLines(deps, view);
  else for await (const lines of textOfRows(deps, view, toLine)) yield lines.join('');
  const { error } = view.walk.task;
  if (error !== undefined) yield `${JSON.stringify({ error })}\n`;
}

async function* csvParts(deps: RowDeps, view: ResultView): Parts {
  yield CSV_HEADER;
  for await (const lines of textOfRows(deps, view, toCsvLine)) yield lines.join('');
  const { error } = view.walk.task;
  if (error !== undefined) yield taskErrorLine(error);
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

async function* storedLines(deps: RowDeps, { walk, fromRow }: ResultView): AsyncGenerator<Uint8Array> {
  for await (const chunk of walk.each((index) => readChunk(deps.store, walk.task.id, index, ['lines']))) {
    yield linesFrom(chunk, fromRow);
  }
}

const LF = 0x0a;

/** The lines of a chunk, those of rows before `row` left out. */
function linesFrom({ segments, firstRow, rows }: StoredChunk, row: number): Uint8Array {
  const lines = segments.lines ?? new Uint8Array(0);
  if (row >= firstRow + rows) return lines.subarray(lines.length);
  let start = 0;
  for (let skipped = firstRow; skipped < row; skipped++) start = lines.indexOf(LF, start) + 1;
  return lines.subarray(start);
}

/** The rows of every chunk, each as text; those that have none are left out. */
async function* textOfRows(
  deps: RowDeps,
  { walk, shown, fromRow, outputs }: ResultView,
  toText: (row: ResultRow) => string | undefined,
): AsyncGenerator<string[]> {
  for await (const rows of mergedRows(deps, walk, shown.merged, outputs)) {
    const wanted = rows.filter(({ row }) => row >= fromRow);
    yield wanted.map(toText).filter((text) => text !== undefined);
  }
}
