/** Streams a task to the client, chunk by chunk, as fast as the client reads. */
import { once } from 'node:events';
import { BatchError } from '@millrace/batch/errors';
import type { Outputs } from '@millrace/batch/results/read-chunk';
import { isTerminal } from '@millrace/batch/status';
import type { Task } from '@millrace/batch/task';
import { errorFields, type Logger } from '@millrace/process/logger';
import type { RowDeps } from '@millrace/tasks/merged-rows';
import type { Parts } from '@millrace/tasks/result-lines';
import { readRetries } from '@millrace/tasks/retries';
import { chunkOfRow, finishedWalk } from '@millrace/tasks/stored-chunks';
import type { Response } from 'express';
import { type FollowDeps, FollowWalk } from './follow-walk.js';
import { PARTS, type ResultFormat } from './result-parts.js';

export interface ResultDeps extends RowDeps {
  log: Logger;
}

export interface FollowedDeps extends ResultDeps, FollowDeps {
  /** @property followMaxMs how long an answer may wait for its task */
  limits: { followMaxMs: number };
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
  arrow: 'application/vnd.apache.arrow.stream',
};

/** The task must be finished. */
export async function sendResult(
  deps: ResultDeps,
  response: Response,
  task: Task,
  { format, outputs, fromRow }: ResultOptions,
): Promise<void> {
  const walk = finishedWalk(task, await chunkOfRow(deps.store, task, fromRow));
  const shown = await readRetries(deps.store, task);
  const parts = PARTS[format](deps, { shown, outputs, fromRow, walk });
  // What comes first is read before the head is sent, so that an outage is still an error and not a broken answer.
  const first: (Uint8Array | string)[] = [];
  while (first.length < PARTS_BEFORE_HEAD) {
    const part = await parts.next();
    if (part.done) break;
    first.push(part.value);
  }
  response.status(200).set('Content-Type', CONTENT_TYPES[format]);
  for (const value of first) response.write(value);
  await writeParts(deps, response, task.id, parts);
}

/**
 * Sends lines of a task that may still run: at once those that are finished, each of the others when it is, and ends with
 * the task. The head is sent before anything is there.
 */
export async function sendFollowed(
  deps: FollowedDeps,
  response: Response,
  task: Task,
  { format, outputs, fromRow }: ResultOptions,
): Promise<void> {
  if (isTerminal(task.status)) return sendResult(deps, response, task, { format, outputs, fromRow });
  const first = await chunkOfRow(deps.store, task, fromRow);
  if (response.destroyed) return;
  const over = new AbortController();
  const timer = setTimeout(
    () => over.abort(new Error('it was followed for too long')),
    deps.limits.followMaxMs,
  );
  response.once('close', () => {
    clearTimeout(timer);
    over.abort();
  });
  const walk = new FollowWalk(deps, task, first, over.signal);
  response.status(200).set('Content-Type', CONTENT_TYPES[format]).flushHeaders();
  const shown = { task, recorded: task, merged: [], retries: [] };
  await writeParts(deps, response, task.id, PARTS[format](deps, { shown, outputs, fromRow, walk }));
}

/** When the results expire or Redis leaves on the way, the connection is cut, not ended: the client can tell, and go on from its row. */
async function writeParts(
  { log }: ResultDeps,
  response: Response,
  taskId: string,
  parts: Parts,
): Promise<void> {
  try {
    for await (const part of parts) {
      if (response.destroyed) return;
      if (!response.write(part)) await drained(response);
    }
    response.end();
  } catch (error) {
    // A client that has left is no fault.
    if (response.destroyed) return;
    // It has expired, or its client has erased it, while it was sent.
    const level = error instanceof BatchError ? 'info' : 'error';
    log.log(level, 'a result broke off', { task_id: taskId, ...errorFields(error) });
    response.destroy();
  }
}

/** Two that are not stored, with which a JSON result begins, and one that is. */
const PARTS_BEFORE_HEAD = 3;
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
