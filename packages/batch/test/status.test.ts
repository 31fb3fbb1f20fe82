import { finalStatus, type Ledger } from '@millrace/batch/ledger';
import { isTerminal, MOVES, STATUSES, type TaskStatus } from '@millrace/batch/status';
import { taskView } from '@millrace/batch/task';
import { describe, expect, it } from 'vitest';

const TERMINAL: TaskStatus[] = ['succeeded', 'partially_succeeded', 'failed', 'cancelled', 'expired'];

function ledgerOf(counts: Partial<Ledger>): Ledger {
  const zeros = { pending: 0, running: 0, succeeded: 0, invalid: 0, failed: 0, cancelled: 0, expired: 0 };
  const total = Object.values(counts).reduce((sum, count) => sum + count, 0);
  return { ...zeros, total, ...counts };
}

describe('a status', () => {
  it('is terminal when it never moves', () => {
    expect(STATUSES.filter(isTerminal)).toEqual(TERMINAL);
    for (const status of STATUSES) expect(isTerminal(status)).toBe(MOVES[status].length === 0);
  });

  it('moves forward only: receiving, pending, running, and from each of them to every terminal one', () => {
    expect(MOVES.receiving).toEqual(['pending', 'running', ...TERMINAL]);
    expect(MOVES.pending).toEqual(['running', ...TERMINAL]);
    expect(MOVES.running).toEqual(TERMINAL);
  });
});

it.each([
  [{ succeeded: 3 }, 'succeeded'],
  [{ succeeded: 1, invalid: 2 }, 'partially_succeeded'],
  [{ succeeded: 1, failed: 2 }, 'partially_succeeded'],
  [{ succeeded: 1, cancelled: 2 }, 'cancelled'],
  [{ succeeded: 1, expired: 2 }, 'expired'],
  [{ invalid: 3 }, 'failed'],
  [{ failed: 3 }, 'failed'],
  [{ invalid: 1, failed: 2 }, 'failed'],
  [{ cancelled: 1, failed: 2 }, 'cancelled'],
  [{ expired: 1, invalid: 2 }, 'expired'],
  [{ cancelled: 1, expired: 1 }, 'cancelled'],
] as const)('a task whose rows came to %j is %s', (counts, status) => {
  expect(finalStatus(ledgerOf(counts))).toBe(status);
  expect(isTerminal(status)).toBe(true);
});

describe('the view of a task', () => {
  const task = {
    id: 't1',
    client: 'anonymous',
    model: 'iris@1',
    fingerprint: '5f3a',
    format: 'csv',
    pool: 'default',
    requestId: 'q1',
    status: 'pending',
    ledger: ledgerOf({ pending: 2 }),
    errorCounts: {},
    chunks: 1,
    retryDepth: 0,
    inputBytes: 0,
    resultBytes: 0,
    createdAt: 0,
  } as const;

  it('shows times as RFC 3339, or null while they are to come', () => {
    expect(taskView(task)).toEqual({
      task_id: 't1',
      status: 'pending',
      model: 'iris@1',
      rows: task.ledger,
      created_at: '1970-01-01T00:00:00.000Z',
      started_at: null,
      finished_at: null,
      expires_at: null,
    });
    expect(taskView({ ...task, startedAt: 1500 }).started_at).toBe('1970-01-01T00:00:01.500Z');
  });

  it('says what the task waits for, and why it came to nothing', () => {
    const error = { code: 'upload_aborted', message: 'why' } as const;
    expect(taskView(task, 'a worker')).toMatchObject({ waiting_for: 'a worker' });
    expect(taskView({ ...task, error })).toMatchObject({ error });
  });
});
