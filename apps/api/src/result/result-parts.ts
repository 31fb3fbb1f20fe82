/** The text of a result in each format, part by part: stored bytes as they are where they can be copied, rows where not. */
import { CSV_HEADER, taskErrorLine, toCsvLine } from '@millrace/batch/results/csv-line';
import { type Outputs, type ResultRow, readRows, toLine } from '@millrace/batch/results/read-chunk';
import type { TaskStore } from '@millrace/queue/task-store';
import { type ChunkWalk, readChunk, type StoredChunk } from './stored-chunks.js';
import { taskAnswer } from './task-answer.js';

export type ResultFormat = 'json' | 'ndjson' | 'csv';
export type Parts = AsyncGenerator<Uint8Array | string>;

/** What of a task is read, and how. */
export interface ResultView {
  outputs: Outputs;
  /** Rows before this one are left out; 0 for JSON. */
  fromRow: number;
  /** From the chunk of that row on. */
  walk: ChunkWalk;
}

export const PARTS: Record<ResultFormat, (store: TaskStore, view: ResultView) => Parts> = {
  json: jsonParts,
  ndjson: ndjsonParts,
  csv: csvParts,
};

async function* jsonParts(store: TaskStore, view: ResultView): Parts {
  const { task } = view.walk;
  yield JSON.stringify(await taskAnswer(store, task)).slice(0, -1);
  if (task.error === undefined) {
    yield ',"predictions":[';
    if (view.outputs === 'default') yield* joined(storedSegment(store, view, 'predictions'));
    else yield* joined(textOfRows(store, view, predictionText));
    yield '],"errors":[';
    if (task.ledger.succeeded < task.ledger.total) yield* joined(storedSegment(store, view, 'errors'));
    yield ']';
  }
  yield '}\n';
}

async function* ndjsonParts(store: TaskStore, view: ResultView): Parts {
  if (view.outputs === 'default') yield* storedLines(store, view);
  else for await (const lines of textOfRows(store, view, toLine)) yield lines.join('');
  const { error } = view.walk.task;
  if (error !== undefined) yield `${JSON.stringify({ error })}\n`;
}

async function* csvParts(store: TaskStore, view: ResultView): Parts {
  yield CSV_HEADER;
  for await (const lines of textOfRows(store, view, toCsvLine)) yield lines.join('');
  const { error } = view.walk.task;
  if (error !== undefined) yield taskErrorLine(error);
}

function predictionText({ prediction }: ResultRow): string {
  return prediction ?? 'null';
}

/** Puts commas between the parts of a JSON list. */
async function* joined(parts: AsyncIterable<Uint8Array | string[]>): Parts {
  let isFirst = true;
  for await (const part of parts) {
    if (!isFirst) yield ',';
    isFirst = false;
    yield Array.isArray(part) ? part.join(',') : part;
  }
}

/** One segment of every chunk that has it. */
async function* storedSegment(
  store: TaskStore,
  { walk }: ResultView,
  name: string,
): AsyncGenerator<Uint8Array> {
  for await (const { segments } of walk.each((chunk) => readChunk(store, walk.task.id, chunk, [name]))) {
    const bytes = segments[name];
    if (bytes !== undefined) yield bytes;
  }
}

async function* storedLines(store: TaskStore, { walk, fromRow }: ResultView): AsyncGenerator<Uint8Array> {
  for await (const chunk of walk.each((index) => readChunk(store, walk.task.id, index, ['lines']))) {
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

/** The rows of every chunk, each as text. */
async function* textOfRows(
  store: TaskStore,
  { walk, fromRow, outputs }: ResultView,
  toText: (row: ResultRow) => string,
): AsyncGenerator<string[]> {
  const read = (chunk: number) => readChunk(store, walk.task.id, chunk);
  for await (const { segments, firstRow, rows } of walk.each(read)) {
    const texts = Array.from(readRows(segments, firstRow, rows, outputs), toText);
    yield texts.slice(Math.max(0, fromRow - firstRow));
  }
}
