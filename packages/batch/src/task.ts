/** What is recorded of a task, and how a poll shows it. */
import type { RequestCode, RowCode } from './errors.js';
import type { Ledger } from './ledger.js';
import type { CsvColumn } from './rows/row-reader.js';
import type { TaskStatus } from './status.js';
import { STEPS, type StepSeconds } from './step-seconds.js';

/** In which chunks are stored. */
export const CHUNK_FORMATS = ['ndjson', 'csv', 'arrow'] as const;
export type ChunkFormat = (typeof CHUNK_FORMATS)[number];

export type ErrorCounts = Readonly<Partial<Record<RowCode, number>>>;

export interface Task {
  id: string;
  /** Who submitted it; `anonymous` without keys. Nobody else may see it. */
  client: string;
  /** The pinned version, `name@version`. */
  model: string;
  /** Of the model's files when the task was accepted. */
  fingerprint: string;
  /** The group of workers that its chunks are queued for. */
  pool: string;
  /** The format of the stored chunks. */
  format: ChunkFormat;
  requestId: string;
  status: TaskStatus;
  ledger: Ledger;
  /** Rows without a prediction, by the code of their error: as many as are invalid, failed, cancelled or expired. */
  errorCounts: ErrorCounts;
  /** Chunks stored so far; final once the task has left `receiving`. */
  chunks: number;
  /** Bytes stored of chunks that are not done. */
  inputBytes: number;
  /** Bytes stored of results. */
  resultBytes: number;
  /** Milliseconds since the epoch, like all times here. */
  createdAt: number;
  startedAt?: number;
  finishedAt?: number;
  /** From then on the results are gone. */
  expiresAt?: number;
  /** What is not done by then is expired. */
  deadlineAt?: number;
  /** When its rows and results were removed on request. */
  erasedAt?: number;
  /** What the columns of the chunks hold; CSV only. */
  columns?: readonly CsvColumn[];
  /** The task whose failed, cancelled and expired rows these are. */
  retryOf?: string;
  /** How many retries it makes in a row; 0 for a submission. */
  retryDepth: number;
  /** The task that was made of those of its rows. */
  retriedBy?: string;
  /** Of its committed chunks, added up; absent before the first. */
  seconds?: StepSeconds;
  /** Why the task as a whole came to nothing. */
  error?: { code: RequestCode; message: string };
}

/** The task's part of a poll's answer: everything but the predictions and the row errors. */
export function taskView(task: Task, waitingFor?: string): Record<string, unknown> {
  return {
    task_id: task.id,
    status: task.status,
    model: task.model,
    rows: task.ledger,
    created_at: isoTime(task.createdAt),
    started_at: isoTime(task.startedAt),
    finished_at: isoTime(task.finishedAt),
    expires_at: isoTime(task.expiresAt),
    ...(task.seconds === undefined ? {} : { seconds: secondsView(task.seconds) }),
    ...(task.deadlineAt === undefined ? {} : { deadline_at: isoTime(task.deadlineAt) }),
    ...(task.retryOf === undefined ? {} : { retry_of: task.retryOf }),
    ...(waitingFor === undefined ? {} : { waiting_for: waitingFor }),
    ...(task.error === undefined ? {} : { error: task.error }),
  };
}

function secondsView(seconds: StepSeconds): Record<string, number> {
  const total = STEPS.reduce((sum, step) => sum + seconds[step], 0);
  const rounded = (value: number) => Math.round(value * 1e6) / 1e6;
  return Object.fromEntries([
    ...STEPS.map((step) => [step, rounded(seconds[step])]),
    ['total', rounded(total)],
  ]);
}

export function isoTime(time: number | undefined): string | null {
  return time === undefined ? null : new Date(time).toISOString();
}
