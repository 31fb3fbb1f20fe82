/** Streams a finished task to the client, chunk by chunk, as fast as the client reads. */
import { once } from 'node:events';
import { BatchError } from '@millrace/batch/errors';
import { CSV_HEADER, taskErrorLine, toCsvLine } from '@millrace/batch/results/csv-line';
import { type Outputs, type ResultRow, readRows, toLine } from '@millrace/batch/results/read-chunk';
import { type Task, taskView } from '@millrace/batch/task';
import { errorFields, type Logger } from '@millrace/process/logger';
import type { TaskStore } from '@millrace/queue/task-store';
import type { Response } from 'express';
import { eachChunk, readChunk, readSegment } from './stored-chunks.js';

export type ResultFormat = 'json' | 'ndjson' | 'csv';

export interface ResultDeps {
  store: TaskStore;
  log: Logger;
}

const CONTENT_TYPES: Record<ResultFormat, string> = {
  json: 'application/json; charset=utf-8',
  ndjson: 'application/x-ndjson; charset=utf-8',
  csv: 'text/csv; charset=utf-8; header=present',
};

/** The task must be finished. When its results expire or Redis leaves on the way, the connection is cut, not ended. */
export async function sendResult(
  deps: ResultDeps,
  response: Response,
  task: Task,
  format: ResultFormat,
  outputs: Outputs,
): Promise<void> {
  const parts = PARTS[format](deps.store, task, outputs);
  // What comes first is read before the head is sent, so that an outage is still an error and not a broken answer.
  const first: (Uint8Array | string)[] = [];
  let part = await parts.next();
  while (!part.done && first.length < PARTS_BEFORE_HEAD) {
    first.push(part.value);
    part = await parts.next();
  }
  response.status(200).set('Content-Type', CONTENT_TYPES[format]);
  try {
    for (const value of first) response.write(value);
    while (!part.done && !response.destroyed) {
      const isDrained = response.write(part.value);
      if (!isDrained) await drained(response);
      part = await parts.next();
    }
    response.end();
  } catch (error) {
    // It has expired, or its client has erased it, while it was sent.
    const level = error instanceof BatchError ? 'info' : 'error';
    deps.log.log(level, 'a result broke off', { task_id: task.id, ...errorFields(error) });
    response.destroy();
  }
}

/** A JSON result begins with two parts that are not stored. */
const PARTS_BEFORE_HEAD = 2;
/** A client that reads nothing for this long has gone. */
const READ_IDLE_MS = 60_000;

type Parts = AsyncGenerator<Uint8Array | string>;

const PARTS: Record<ResultFormat, (store: TaskStore, task: Task, outputs: Outputs) => Parts> = {
  json: jsonParts,
  ndjson: ndjsonParts,
  csv: csvParts,
};

async function* jsonParts(store: TaskStore, task: Task, outputs: Outputs): Parts {
  const { ledger, error } = task;
  yield JSON.stringify(taskView(task)).slice(0, -1);
  if (error === undefined) {
    yield ',"predictions":[';
    if (outputs === 'default') yield* joined(storedSegment(store, task, 'predictions'));
    else yield* joined(mapRows(store, task, outputs, predictionText));
    yield '],"errors":[';
    if (ledger.succeeded < ledger.total) yield* joined(storedSegment(store, task, 'errors'));
    yield ']';
  }
  yield '}\n';
}

async function* ndjsonParts(store: TaskStore, task: Task, outputs: Outputs): Parts {
  if (task.error !== undefined) yield `${JSON.stringify({ error: task.error })}\n`;
  if (outputs === 'default') yield* storedSegment(store, task, 'lines');
  else for await (const lines of mapRows(store, task, outputs, toLine)) yield lines.join('');
}

async function* csvParts(store: TaskStore, task: Task, outputs: Outputs): Parts {
  yield CSV_HEADER;
  if (task.error !== undefined) yield taskErrorLine(task.error);
  for await (const lines of mapRows(store, task, outputs, toCsvLine)) yield lines.join('');
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

/** One segment of every chunk that has it, in order. */
async function* storedSegment(store: TaskStore, task: Task, name: string): AsyncGenerator<Uint8Array> {
  for await (const segments of eachChunk(task, (chunk) => readSegment(store, task.id, chunk, name))) {
    const bytes = segments[name];
    if (bytes !== undefined) yield bytes;
  }
}

/** The rows of every chunk, each as text. */
async function* mapRows(
  store: TaskStore,
  task: Task,
  outputs: Outputs,
  toText: (row: ResultRow) => string,
): AsyncGenerator<string[]> {
  const read = (chunk: number) => readChunk(store, task.id, chunk);
  for await (const { segments, firstRow, rows } of eachChunk(task, read)) {
    yield Array.from(readRows(segments, firstRow, rows, outputs), toText);
  }
}

async function drained(response: Response): Promise<void> {
  const closed = new AbortController();
  const onClose = () => closed.abort();
  response.once('close', onClose);
  try {
    await once(response, 'drain', {
      signal: AbortSignal.any([closed.signal, AbortSignal.timeout(READ_IDLE_MS)]),
    });
  } catch (error) {
    if (!closed.signal.aborted) throw error;
  } finally {
    response.off('close', onClose);
  }
}
