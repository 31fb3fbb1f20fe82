/** Ending a task on request: `POST /batch-result/:id/cancel`, and `DELETE /batch-result/:id`, which removes its rows and results, too. */
import { isTerminal } from '@millrace/batch/status';
import type { Task } from '@millrace/batch/task';
import type { Logger } from '@millrace/process/logger';
import type { Producer } from '@millrace/queue/producer';
import type { RowDeps } from '@millrace/tasks/merged-rows';
import type { RequestHandler } from 'express';
import { NoQuery, parseParameters } from '../query.js';
import { sendJson } from '../send-json.js';
import { findOwn, type OwnTaskDeps, readOwn, unknownTask } from './own-task.js';
import { describeTask } from './task-answer.js';

export interface EndTaskDeps extends RowDeps, OwnTaskDeps {
  producer: Producer;
  log: Logger;
}

export type CancelDeps = Pick<EndTaskDeps, 'store' | 'producer' | 'log'>;

/** What is done stays readable; what is not is never computed. Cancelling what has ended changes nothing. */
export function cancelRoute(deps: EndTaskDeps): RequestHandler<{ id: string }> {
  return async (request, response) => {
    parseParameters(NoQuery, request.query, 'query parameter');
    const { store } = deps;
    const { client, requestId } = response.locals;
    const { id } = request.params;
    response.locals.taskId = id;
    const found = await readOwn(deps, id, client);
    await cancelTask(deps, found, { request_id: requestId, client });
    const task = await store.read(id);
    if (task === undefined) throw unknownTask();
    sendJson(response, await describeTask(deps, task));
  };
}

/** @param about members of the line in the log */
export async function cancelTask(deps: CancelDeps, task: Task, about: Record<string, string>): Promise<void> {
  const { store, log } = deps;
  if ((await store.end(task.id, 'cancelled')) !== 'halted') return;
  log.info('a task was cancelled', { task_id: task.id, ...about });
  await removeJobs(deps, task);
  // Should this be lost, the reaper does it.
  await store.settle(task.id).catch(() => {});
}

/** Erases a task with its retries. Erasing what was erased changes nothing, but for what a broken request has left. */
export function eraseRoute(deps: EndTaskDeps): RequestHandler<{ id: string }> {
  return async (request, response) => {
    parseParameters(NoQuery, request.query, 'query parameter');
    const { store, log } = deps;
    const { client, requestId } = response.locals;
    const { id } = request.params;
    response.locals.taskId = id;
    const found = await findOwn(deps, id, client);
    for (let task: Task | undefined = found; task !== undefined; task = await retryOf(deps, task)) {
      await store.erase(task.id);
      log.info('a task was erased', { task_id: task.id, request_id: requestId, client });
      if (!isTerminal(task.status)) await removeJobs(deps, task);
    }
    response.status(204).end();
  };
}

/** The retry of a task that was erased: it has the same rows. From the erasing on there is no other one. */
async function retryOf({ store }: EndTaskDeps, { id }: Task): Promise<Task | undefined> {
  const erased = await store.read(id);
  return erased?.retriedBy === undefined ? undefined : store.read(erased.retriedBy);
}

/** For tidiness: without its task a job is harmless, and a worker that takes it finds nothing to do. */
async function removeJobs({ producer, log }: CancelDeps, { id, pool, chunks }: Task): Promise<void> {
  await producer.remove(pool, id, chunks).catch(() => log.warn('the jobs of a task stay', { task_id: id }));
}
