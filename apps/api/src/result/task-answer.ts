/** A task as answers show it: its record, the errors of its rows by code with the first of each, and its retries. */
import type { RowCode } from '@millrace/batch/errors';
import { type ErrorExample, type ErrorGroups, EXAMPLES_MAX } from '@millrace/batch/results/error-groups';
import { isRetryable } from '@millrace/batch/retry';
import { type Task, taskView } from '@millrace/batch/task';
import { type RowDeps, retriedRow } from '@millrace/tasks/merged-rows';
import { type RetriedTask, readRetries } from '@millrace/tasks/retries';

/** The task as it stands. */
export async function describeTask(
  deps: RowDeps,
  task: Task,
  waitingFor?: string,
): Promise<Record<string, unknown>> {
  return taskAnswer(deps, await readRetries(deps.store, task), waitingFor);
}

/** The same of a task whose retries have been read. */
export async function taskAnswer(
  deps: RowDeps,
  { task, recorded, merged, retries }: RetriedTask,
  waitingFor?: string,
): Promise<Record<string, unknown>> {
  return {
    ...taskView(task, waitingFor),
    ...(task.error === undefined ? { errors_by_code: await errorsByCode(deps, task, recorded, merged) } : {}),
    ...(retries.length === 0 ? {} : { retries: retries.map(retryView) }),
  };
}

function retryView({ id, status, ledger }: Task): Record<string, unknown> {
  return { task_id: id, status, rows: ledger };
}

async function errorsByCode(
  deps: RowDeps,
  { errorCounts }: Task,
  recorded: Task,
  merged: readonly Task[],
): Promise<ErrorGroups> {
  const counts = Object.entries(errorCounts).sort(([a], [b]) => (a < b ? -1 : 1)) as [RowCode, number][];
  if (counts.length === 0) return {};
  const examples = await firstExamples(deps, recorded, merged);
  return Object.fromEntries(
    counts.map(([code, count]) => [code, { count, examples: examples.get(code) ?? [] }]),
  );
}

/** Of a task whose rows were retried, those of the codes that cannot be, and those that the retry has. */
async function firstExamples(
  deps: RowDeps,
  task: Task,
  [retry, ...merged]: readonly Task[],
): Promise<ReadonlyMap<RowCode, ErrorExample[]>> {
  const codes = (Object.keys(task.errorCounts) as RowCode[]).filter(
    (code) => retry === undefined || !isRetryable(code),
  );
  const examples = new Map(await deps.store.readExamples(task.id, codes));
  if (retry === undefined) return examples;
  for (const [code, retried] of await firstExamples(deps, retry, merged)) {
    const moved = await Promise.all(
      retried.map(async (each) => ({ ...each, row: await retriedRow(deps, task, each.row) })),
    );
    const all = [...(examples.get(code) ?? []), ...moved].sort((a, b) => a.row - b.row);
    examples.set(code, all.slice(0, EXAMPLES_MAX));
  }
  return examples;
}
