/** Finds the task that a client asks for: its own and no other's, and one whose results are still there. */
import { BatchError } from '@millrace/batch/errors';
import { isoTime, type Task } from '@millrace/batch/task';
import type { TaskStore } from '@millrace/queue/task-store';

const TASK_ID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** The record of the client's own task, erased or not. @throws BatchError `unknown_task` */
export async function findOwn(store: TaskStore, id: string, client: string): Promise<Task> {
  const task = TASK_ID.test(id) ? await store.read(id) : undefined;
  // Somebody else's is as unknown as one that never was.
  if (task === undefined || task.client !== client) throw unknownTask();
  return task;
}

/** The same, with its rows and results. @throws BatchError `unknown_task`, `task_erased`, `result_expired` */
export async function readOwn(store: TaskStore, id: string, client: string): Promise<Task> {
  const task = await findOwn(store, id, client);
  if (task.erasedAt !== undefined) {
    const at = isoTime(task.erasedAt);
    throw new BatchError('task_erased', `this task was erased at ${at}`, { erased_at: at });
  }
  if (task.expiresAt !== undefined && task.expiresAt <= Date.now()) {
    const at = isoTime(task.expiresAt);
    throw new BatchError('result_expired', `the results of this task expired at ${at}`, { expired_at: at });
  }
  return task;
}

export function unknownTask(): BatchError {
  return new BatchError('unknown_task', 'there is no task with this id');
}
