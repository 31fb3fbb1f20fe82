/** A task as answers show it: its record, and the errors of its rows by code with the first of each. */
import type { RowCode } from '@millrace/batch/errors';
import type { ErrorGroups } from '@millrace/batch/results/error-groups';
import { type Task, taskView } from '@millrace/batch/task';
import type { TaskStore } from '@millrace/queue/task-store';

export async function taskAnswer(
  store: TaskStore,
  task: Task,
  waitingFor?: string,
): Promise<Record<string, unknown>> {
  const view = taskView(task, waitingFor);
  return task.error === undefined ? { ...view, errors_by_code: await errorsByCode(store, task) } : view;
}

async function errorsByCode(store: TaskStore, { id, errorCounts }: Task): Promise<ErrorGroups> {
  const counts = Object.entries(errorCounts) as [RowCode, number][];
  if (counts.length === 0) return {};
  const codes = counts.map(([code]) => code);
  const examples = await store.readExamples(id, codes);
  return Object.fromEntries(
    counts.map(([code, count]) => [code, { count, examples: examples.get(code) ?? [] }]),
  );
}
