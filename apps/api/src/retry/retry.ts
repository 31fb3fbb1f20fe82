/** `POST /batch-result/:id/retry`: a task of the rows that failed, expired or were cancelled. The order of steps is the retry store's. */
import { BatchError } from '@millrace/batch/errors';
import { retryableRows } from '@millrace/batch/retry';
import { isTerminal } from '@millrace/batch/status';
import type { Task } from '@millrace/batch/task';
import { RETRIES_MAX, type RetriedTask, readRetries } from '@millrace/tasks/retries';
import type { RequestHandler } from 'express';
import { parseParameters } from '../query.js';
import { readOwn } from '../result/own-task.js';
import { SubmitOptions } from '../submit/options.js';
import { milliseconds } from '../submit/submission.js';
import { answerAccepted } from '../submit/submit.js';
import { type RetryDeps, type RetryRequest, startRetry } from './start-retry.js';

export const RetryQuery = SubmitOptions.pick({ expires_in: true });

/** How often it is looked again at a task whose retry has changed while it was looked at. */
const ROUNDS_MAX = 5;

export function retryRoute(deps: RetryDeps): RequestHandler<{ id: string }> {
  return async (request, response) => {
    const { expires_in: expiresIn } = parseParameters(RetryQuery, request.query, 'query parameter');
    const { client, requestId } = response.locals;
    const { id } = request.params;
    response.locals.taskId = id;
    const expiresInMs = milliseconds(expiresIn);
    const retry = await retryOf(deps, id, { client, requestId, expiresInMs });
    response.locals.taskId = retry.id;
    const entry = await deps.catalog.get(retry.model).catch(() => undefined);
    await answerAccepted(deps, request, response, { task: retry, entry });
  };
}

/** The retry that is under way, or else a new one of the rows that have none. */
async function retryOf(deps: RetryDeps, id: string, request: Omit<RetryRequest, 'id'>): Promise<Task> {
  for (let round = 0; round < ROUNDS_MAX; round++) {
    const found = await readRetries(deps.store, await readOwn(deps, id, request.client));
    const last = found.retries.at(-1);
    if (last !== undefined && !isTerminal(last.status)) {
      const retry = await sealed(deps, found);
      if (retry === undefined) continue;
      deps.metrics.task(retry.model, retry.format, 'repeated', 0);
      return retry;
    }
    refuseUnretryable(found);
    const retry = await startRetry(deps, last ?? found.recorded, {
      ...request,
      id: deps.ids.create(request.client),
    });
    if (retry !== undefined) return retry;
  }
  throw new BatchError('task_unfinished', 'the retries of this task are changing; ask again');
}

/**
 * The last retry. One that is linked was stored whole: if the process that made it ended before it was sealed, this seals
 * it, unless Redis has lost some of it since. Undefined when it came to nothing.
 */
async function sealed({ store }: RetryDeps, { recorded, retries }: RetriedTask): Promise<Task | undefined> {
  const retry = retries.at(-1) as Task;
  if (retry.status !== 'receiving') return retry;
  const retried = retries.at(-2) ?? recorded;
  if (retry.ledger.total !== retryableRows(retried)) {
    await store.abort(retry.id, 'Redis has lost a part of it');
    return undefined;
  }
  const task = await store.seal(retry.id, retry.chunks);
  return task?.error === undefined && task?.erasedAt === undefined ? task : undefined;
}

/** @throws BatchError `task_unfinished`, `nothing_to_retry`, `too_many_retries` */
function refuseUnretryable({ recorded, task, retries }: RetriedTask): void {
  if (!isTerminal(recorded.status)) {
    throw new BatchError('task_unfinished', 'the task has not ended; its rows can be retried once it has');
  }
  if (retryableRows(task) === 0) {
    throw new BatchError('nothing_to_retry', 'no row of this task failed, expired or was cancelled');
  }
  if ((retries.at(-1) ?? recorded).retryDepth >= RETRIES_MAX) {
    throw new BatchError('too_many_retries', `the rows of a task are retried at most ${RETRIES_MAX} times`);
  }
}
