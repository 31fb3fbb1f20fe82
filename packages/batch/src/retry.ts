/** Which rows of a finished task a retry takes, and what the task comes to with it. */
import { FAILED_ROW_CODES, HALTED_ROW_CODES, type RowCode } from './errors.js';
import { finalStatus, type Ledger } from './ledger.js';
import { addSeconds } from './step-seconds.js';
import type { Task } from './task.js';

/** Rows that we or the model failed and that still are there, and those that were never tried. */
const RETRYABLE: ReadonlySet<RowCode> = new Set(
  [...FAILED_ROW_CODES, ...HALTED_ROW_CODES].filter((code) => code !== 'input_lost'),
);

export function isRetryable(code: RowCode): boolean {
  return RETRYABLE.has(code);
}

/** How many rows of a finished task a retry would take. */
export function retryableRows({ errorCounts }: Pick<Task, 'errorCounts'>): number {
  const entries = Object.entries(errorCounts) as [RowCode, number][];
  return entries.reduce((sum, [code, count]) => (isRetryable(code) ? sum + count : sum), 0);
}

/** The task with the outcomes of a finished retry in place of those that its rows had. Each row that it could take, it took. */
export function withRetry(task: Task, retry: Task): Task {
  const kept = Object.entries(task.errorCounts).filter(([code]) => !isRetryable(code as RowCode));
  const errorCounts: Partial<Record<RowCode, number>> = Object.fromEntries(kept);
  for (const [code, count] of Object.entries(retry.errorCounts) as [RowCode, number][]) {
    errorCounts[code] = (errorCounts[code] ?? 0) + count;
  }
  const ledger: Ledger = {
    ...retry.ledger,
    total: task.ledger.total,
    succeeded: task.ledger.succeeded + retry.ledger.succeeded,
    invalid: task.ledger.invalid + retry.ledger.invalid,
    failed: (task.errorCounts.input_lost ?? 0) + retry.ledger.failed,
  };
  return { ...task, ...bothSeconds(task, retry), ledger, errorCounts, status: finalStatus(ledger) };
}

/** A chunk of either may be without: it was given up before it was begun. */
function bothSeconds({ seconds: first }: Task, { seconds: second }: Task): Pick<Task, 'seconds'> {
  const seconds = first && second ? addSeconds(first, second) : (first ?? second);
  return seconds === undefined ? {} : { seconds };
}
