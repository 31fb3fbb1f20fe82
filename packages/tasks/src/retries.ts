/** The retries of a task, and what the task has come to with those that have finished. */
import { withRetry } from '@millrace/batch/retry';
import { isTerminal } from '@millrace/batch/status';
import type { Task } from '@millrace/batch/task';
import type { TaskStore } from '@millrace/queue/task-store';

/** A task is read through all of its retries. */
export const RETRIES_MAX = 16;

/** A task with its retries, each of which takes rows of the one before. */
export interface RetriedTask {
  /** The task as clients see it: its rows have the outcomes that they have in the last finished retry. */
  task: Task;
  /** As it is recorded. */
  recorded: Task;
  /** The finished ones, whose outcomes count. */
  merged: readonly Task[];
  /** All of them; the last may be unfinished. */
  retries: readonly Task[];
}

export async function readRetries(store: TaskStore, recorded: Task): Promise<RetriedTask> {
  const retries: Task[] = [];
  let next = recorded.retriedBy;
  while (next !== undefined && retries.length < RETRIES_MAX) {
    const retry = await store.read(next);
    if (retry === undefined || cameToNothing(retry)) break;
    retries.push(retry);
    next = retry.retriedBy;
  }
  const merged = retries.filter(({ status }) => isTerminal(status));
  const task = [recorded, ...merged].reduceRight((retry, each) => withRetry(each, retry));
  return { task, recorded, merged, retries };
}

/** Its rows cannot be read, now or ever. */
function cameToNothing({ error, erasedAt, expiresAt }: Task): boolean {
  return (
    error !== undefined || erasedAt !== undefined || (expiresAt !== undefined && expiresAt <= Date.now())
  );
}
