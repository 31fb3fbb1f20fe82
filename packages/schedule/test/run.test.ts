import {
  isRunOver,
  RUN_MOVES,
  RUN_STATUSES,
  type Run,
  type RunStatus,
  runView,
} from '@millrace/schedule/run';
import { describe, expect, it } from 'vitest';

const OVER: RunStatus[] = [
  'succeeded',
  'partially_succeeded',
  'failed',
  'cancelled',
  'expired',
  'skipped',
  'missed',
];

describe('the status of a run', () => {
  it('is over when it never moves', () => {
    expect(RUN_STATUSES.filter(isRunOver)).toEqual(OVER);
  });

  it('moves forward only, and is skipped or missed from the start or never', () => {
    expect(RUN_MOVES.waiting).toEqual(['running', 'cancelled']);
    expect(RUN_MOVES.running).toEqual(['succeeded', 'partially_succeeded', 'failed', 'cancelled', 'expired']);
  });
});

describe('the view of a run', () => {
  const waiting: Run = {
    schedule: 'nightly',
    logicalDate: '2026-11-20',
    status: 'waiting',
    trigger: 'schedule',
    client: 'anonymous',
    dueAt: 0,
    createdAt: 1000,
    attempt: 0,
    writtenRows: 0,
  };

  it('of one that waits has no task yet', () => {
    expect(runView(waiting)).toEqual({
      schedule: 'nightly',
      logical_date: '2026-11-20',
      status: 'waiting',
      trigger: 'schedule',
      due_at: '1970-01-01T00:00:00.000Z',
      created_at: '1970-01-01T00:00:01.000Z',
      started_at: null,
      finished_at: null,
      attempt: 0,
      written_rows: 0,
    });
  });

  it('of one that is over has all that is known', () => {
    const ledger = {
      total: 2,
      pending: 0,
      running: 0,
      succeeded: 1,
      invalid: 1,
      failed: 0,
      cancelled: 0,
      expired: 0,
    };
    const written = { location: 'data/2026-11-20.ndjson', rows: 2, bytes: 70, sha256: 'ab' };
    const error = { code: 'sink_refused', message: 'no' };
    const over: Run = {
      ...waiting,
      status: 'failed',
      startedAt: 2000,
      finishedAt: 3000,
      attempt: 2,
      model: 'iris@1',
      taskId: 't1',
      ledger,
      writtenRows: 2,
      written,
      error,
    };
    expect(runView(over)).toEqual({
      ...runView(waiting),
      status: 'failed',
      started_at: '1970-01-01T00:00:02.000Z',
      finished_at: '1970-01-01T00:00:03.000Z',
      attempt: 2,
      model: 'iris@1',
      task_id: 't1',
      rows: ledger,
      written_rows: 2,
      written,
      error,
    });
  });
});
