/** What is recorded of a run, which statuses it has and which moves between them are allowed, and how it is shown. */
import type { Ledger } from '@millrace/batch/ledger';
import { isoTime } from '@millrace/batch/task';

export const RUN_MOVES = {
  waiting: ['running', 'cancelled'],
  running: ['succeeded', 'partially_succeeded', 'failed', 'cancelled', 'expired'],
  succeeded: [],
  partially_succeeded: [],
  failed: [],
  cancelled: [],
  expired: [],
  /** By `overlap`, because another run of the schedule was under way. */
  skipped: [],
  /** By `catch_up`, because it was found too late. */
  missed: [],
} as const satisfies Record<string, readonly string[]>;

export type RunStatus = keyof typeof RUN_MOVES;

export const RUN_STATUSES = Object.keys(RUN_MOVES) as RunStatus[];

/** A finished run never moves again. */
export function isRunOver(status: RunStatus): boolean {
  return RUN_MOVES[status].length === 0;
}

/** `catch_up`: by the clock, later than it should have been. */
export const TRIGGERS = ['schedule', 'catch_up', 'backfill', 'manual'] as const;
export type Trigger = (typeof TRIGGERS)[number];

/** What a sink has written. */
export interface Written {
  location: string;
  rows: number;
  bytes: number;
  sha256?: string;
}

export interface Run {
  schedule: string;
  /** Identifies the run within its schedule. */
  logicalDate: string;
  status: RunStatus;
  trigger: Trigger;
  /** Whose task it is. */
  client: string;
  /** Milliseconds since the epoch, like all times here. */
  dueAt: number;
  createdAt: number;
  startedAt?: number;
  finishedAt?: number;
  /** How many processes have taken it up so far; what an earlier one still does has no effect. */
  attempt: number;
  /** The pinned version, `name@version`, once its task is made. */
  model?: string;
  taskId?: string;
  ledger?: Ledger;
  /** Rows that the sink is known to hold. */
  writtenRows: number;
  written?: Written;
  /** Why it came to nothing, was skipped or missed. */
  error?: { code: string; message: string };
}

/** The run as HTTP shows it. */
export function runView(run: Run): Record<string, unknown> {
  return {
    schedule: run.schedule,
    logical_date: run.logicalDate,
    status: run.status,
    trigger: run.trigger,
    due_at: isoTime(run.dueAt),
    created_at: isoTime(run.createdAt),
    started_at: isoTime(run.startedAt),
    finished_at: isoTime(run.finishedAt),
    attempt: run.attempt,
    ...(run.model === undefined ? {} : { model: run.model }),
    ...(run.taskId === undefined ? {} : { task_id: run.taskId }),
    ...(run.ledger === undefined ? {} : { rows: run.ledger }),
    written_rows: run.writtenRows,
    ...(run.written === undefined ? {} : { written: run.written }),
    ...(run.error === undefined ? {} : { error: run.error }),
  };
}
