/** Finds the task that a client asks for: its own and no other's, and one whose results are still there. */
import { BatchError } from '@millrace/batch/errors';
import { isoTime, type Task } from '@millrace/batch/task';
import { DEFAULT_LIFETIMES } from '@millrace/queue/keys';
import { TASK_ID, type TaskIds } from '@millrace/queue/task-ids';
import type { TaskStore } from '@millrace/queue/task-store';

export interface OwnTaskDeps {
  store: TaskStore;
  ids: TaskIds;
}

/** Younger than this, the record of an accepted task is there, whatever has become of the task. */
const RECORD_KEPT_MS = Math.min(DEFAULT_LIFETIMES.unfinishedMs, DEFAULT_LIFETIMES.recordMs);

/** The record of the client's own task, erased or not. @throws BatchError `unknown_task`, `task_lost`, `result_expired` */
export async function findOwn({ store, ids }: OwnTaskDeps, id: string, client: string): Promise<Task> {
  const task = TASK_ID.test(id) ? await store.read(id) : undefined;
  if (task === undefined) throw forgotten(ids.createdAt(id, client));
  // Somebody else's is as unknown as one that never was.
  if (task.client !== client) throw unknownTask();
  // Its id is given out when all of it has been received. So this one was accepted, and Redis has forgotten that.
  const isLost =
    task.error?.code === 'task_lost' || (task.status === 'receiving' && (await store.isInterrupted(id)));
  if (isLost) throw lost(task.createdAt);
  return task;
}

/** The same, with its rows and results. @throws BatchError as `findOwn`, and `task_erased` */
export async function readOwn(deps: OwnTaskDeps, id: string, client: string): Promise<Task> {
  return readable(await findOwn(deps, id, client));
}

/** The task, if its rows and results are there. @throws BatchError `task_erased`, `result_expired` */
export function readable(task: Task): Task {
  if (task.erasedAt !== undefined) {
    const at = isoTime(task.erasedAt);
    throw new BatchError('task_erased', `this task was erased at ${at}`, { erased_at: at });
  }
  if (task.expiresAt !== undefined && task.expiresAt <= Date.now()) throw expired(task.expiresAt);
  return task;
}

export function unknownTask(): BatchError {
  return new BatchError('unknown_task', 'there is no task with this id');
}

/** What there is to say of an id without a record. */
function forgotten(createdAt: number | undefined): BatchError {
  if (createdAt === undefined) return unknownTask();
  return Date.now() - createdAt < RECORD_KEPT_MS ? lost(createdAt) : expired();
}

function expired(at?: number): BatchError {
  if (at === undefined) return new BatchError('result_expired', 'the results of this task expired long ago');
  const time = isoTime(at);
  return new BatchError('result_expired', `the results of this task expired at ${time}`, {
    expired_at: time,
  });
}

function lost(createdAt: number): BatchError {
  return new BatchError(
    'task_lost',
    `this task was submitted at ${isoTime(createdAt)}, and Redis has lost it since; submit its rows again`,
  );
}
