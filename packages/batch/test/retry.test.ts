import { FAILED_ROW_CODES, HALTED_ROW_CODES, INVALID_ROW_CODES } from '@millrace/batch/errors';
import { OUTCOMES } from '@millrace/batch/ledger';
import { isRetryable, retryableRows, withRetry } from '@millrace/batch/retry';
import { isTerminal } from '@millrace/batch/status';
import type { ErrorCounts, Task } from '@millrace/batch/task';
import fc from 'fast-check';
import { expect, it } from 'vitest';

const FAILED: readonly string[] = FAILED_ROW_CODES;
const INVALID: readonly string[] = INVALID_ROW_CODES;

/** A finished task with so many rows of each error. */
function taskOf(succeeded: number, errorCounts: ErrorCounts): Task {
  const count = (isCounted: (code: string) => boolean) =>
    Object.entries(errorCounts).reduce((sum, [code, rows]) => (isCounted(code) ? sum + rows : sum), 0);
  const counts = {
    succeeded,
    invalid: count((code) => INVALID.includes(code)),
    failed: count((code) => FAILED.includes(code)),
    cancelled: errorCounts.cancelled ?? 0,
    expired: errorCounts.expired ?? 0,
  };
  const total = Object.values(counts).reduce((a, b) => a + b, 0);
  const ledger = { pending: 0, running: 0, ...counts, total };
  return { id: 't', status: 'failed', ledger, errorCounts } as Task;
}

const codes = [...INVALID_ROW_CODES, ...FAILED_ROW_CODES, ...HALTED_ROW_CODES];
const counts = fc.dictionary(
  fc.constantFrom(...codes),
  fc.integer({ min: 1, max: 9 }),
) as fc.Arbitrary<ErrorCounts>;

it('rows that failed or were never tried can be retried, those that are wrong or lost cannot', () => {
  expect(codes.filter(isRetryable)).toEqual([
    'inference_failed',
    'non_finite_output',
    'timeout',
    'worker_lost',
    'cancelled',
    'expired',
  ]);
});

it('a task with its retry has every row under one outcome, and an error for each without a prediction', () => {
  fc.assert(
    fc.property(fc.nat(5), counts, counts, fc.nat(9), (succeeded, first, second, more) => {
      const task = taskOf(succeeded, first);
      const rows = retryableRows(task);
      // What of the second's errors fits into the rows that are retried.
      let left = rows;
      const fitting = Object.entries(second).flatMap(([code, count]) => {
        const taken = Math.min(count, left, more);
        left -= taken;
        return taken === 0 ? [] : [[code, taken]];
      });
      const retry = taskOf(left, Object.fromEntries(fitting));
      expect(retry.ledger.total).toBe(rows);
      const { ledger, errorCounts, status } = withRetry(task, retry);
      expect(ledger.total).toBe(task.ledger.total);
      expect(OUTCOMES.reduce((sum, outcome) => sum + ledger[outcome], 0)).toBe(ledger.total);
      const errors = Object.values(errorCounts).reduce((a, b) => a + b, 0);
      expect(errors).toBe(ledger.total - ledger.succeeded);
      expect(retryableRows({ errorCounts })).toBe(retryableRows(retry));
      expect(isTerminal(status)).toBe(true);
      expect(status === 'succeeded').toBe(ledger.succeeded === ledger.total);
    }),
  );
});
