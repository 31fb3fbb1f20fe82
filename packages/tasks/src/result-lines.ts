/** The text of a result in lines, part by part: stored bytes as they are where they can be copied, rows where not. */
import { csvOfLines } from '@millrace/batch/results/csv-bytes';
import { CSV_HEADER, taskErrorLine, toCsvLine } from '@millrace/batch/results/csv-line';
import { type Outputs, type ResultRow, toLine } from '@millrace/batch/results/read-chunk';
import { mergedRows, type RowDeps } from './merged-rows.js';
import type { RetriedTask } from './retries.js';
import { type ChunkWalk, readChunk, type StoredChunk } from './stored-chunks.js';

export type LineFormat = 'ndjson' | 'csv';
export type Parts = AsyncGenerator<Uint8Array | string>;

/** What of a task is read, and how. */
export interface ResultView {
  /** The task as clients see it. */
  shown: RetriedTask;
  outputs: Outputs;
  /** Rows before this one are left out. */
  fromRow: number;
  /** From the chunk of that row on. */
  walk: ChunkWalk;
}

/** Each part is whole lines. @throws BatchError `result_expired` */
export const LINES: Record<LineFormat, (deps: RowDeps, view: ResultView) => Parts> = {
  ndjson: ndjsonLines,
  csv: csvLines,
};

/** True when the bytes that are wanted are those that were stored. */
export function isStored({ outputs, shown }: ResultView): boolean {
  return outputs === 'default' && shown.merged.length === 0;
}

async function* ndjsonLines(deps: RowDeps, view: ResultView): Parts {
  if (isStored(view)) yield* storedLines(deps, view);
  else for await (const lines of textOfRows(deps, view, toLine)) yield lines.join('');
  const { error } = view.walk.task;
  if (error !== undefined) yield `${JSON.stringify({ error })}\n`;
}

async function* csvLines(deps: RowDeps, view: ResultView): Parts {
  yield CSV_HEADER;
  if (isStored(view)) for await (const lines of storedLines(deps, view)) yield csvOfLines(lines);
  else for await (const lines of textOfRows(deps, view, toCsvLine)) yield lines.join('');
  const { error } = view.walk.task;
  if (error !== undefined) yield taskErrorLine(error);
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
export async function* textOfRows(
  deps: RowDeps,
  { walk, shown, fromRow, outputs }: ResultView,
  toText: (row: ResultRow) => string | undefined,
): AsyncGenerator<string[]> {
  for await (const rows of mergedRows(deps, walk, shown.merged, outputs)) {
    const wanted = rows.filter(({ row }) => row >= fromRow);
    yield wanted.map(toText).filter((text) => text !== undefined);
  }
}
