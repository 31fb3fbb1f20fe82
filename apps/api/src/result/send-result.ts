/** Streams a finished task to the client, chunk by chunk, as fast as the client reads. */
import { once } from 'node:events';
import type { Outputs } from '@millrace/batch/results/read-chunk';
import type { Task } from '@millrace/batch/task';
import { errorFields, type Logger } from '@millrace/process/logger';
import type { TaskStore } from '@millrace/queue/task-store';
import type { Response } from 'express';
import { PARTS, type ResultFormat } from './result-parts.js';
import { chunkOfRow, finishedWalk } from './stored-chunks.js';

export interface ResultDeps {
  store: TaskStore;
  log: Logger;
}

/** How a result is to be read. */
export interface ResultOptions {
  format: ResultFormat;
  outputs: Outputs;
  /** The first row of lines; 0 for JSON. */
  fromRow: number;
}

export const WHOLE_AS_JSON: ResultOptions = { format: 'json', outputs: 'default', fromRow: 0 };

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
  { format, outputs, fromRow }: ResultOptions,
): Promise<void> {
  const walk = finishedWalk(task, await chunkOfRow(deps.store, task, fromRow));
  const parts = PARTS[format](deps.store, { outputs, fromRow, walk });
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
    deps.log.error('a result broke off', { task_id: task.id, ...errorFields(error) });
    response.destroy();
  }
}

/** A JSON result begins with two parts that are not stored. */
const PARTS_BEFORE_HEAD = 2;
/** A client that reads nothing for this long has gone. */
const READ_IDLE_MS = 60_000;

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
