/**
 * Executes a run: source → task → its end → sink. Every step stands being done again by another process, from where the
 * run's record says that it came to.
 */
import { BatchError, type RequestCode } from '@millrace/batch/errors';
import { isTerminal } from '@millrace/batch/status';
import type { Task } from '@millrace/batch/task';
import { errorFields, type Logger } from '@millrace/process/logger';
import { isOutage } from '@millrace/queue/outages';
import type { RecordedRun } from '@millrace/queue/schedules/run-record';
import type { RunEnd, RunStore } from '@millrace/queue/schedules/run-store';
import type { EarlierTries, JobOutcome, RunJob } from '@millrace/queue/schedules/schedule-queues';
import type { TaskEvents } from '@millrace/queue/task-events';
import type { Schedule } from '@millrace/schedule/schedule';
import type { RowDeps } from '@millrace/tasks/merged-rows';
import { alarmsOf } from '../alarms/run-alarms.js';
import { RunError } from '../run-error.js';
import type { RunOutput, SinkContext, Written } from '../sinks/sink.js';
import { Attempt, OvertakenError, RunCancelledError } from './attempt.js';
import { ensureTask, type MakeTaskDeps } from './make-task.js';
import { outputOf } from './run-output.js';
import type { Slots } from './slots.js';

export interface ExecuteRunDeps extends MakeTaskDeps, RowDeps {
  runs: RunStore;
  events: TaskEvents;
  /** For reading sources and writing sinks. */
  slots: Slots;
  /** @throws RunError, or what the context's `fence` and `note` reject with */
  writeSink(
    sink: Schedule['sink'],
    attempt: number,
    output: RunOutput,
    context: SinkContext,
  ): Promise<Written>;
  log: Logger;
  /** Hears how a run has ended, and after how many seconds. */
  onEnd(schedule: string, status: RunEnd['status'], seconds: number): void;
  /** Milliseconds since the epoch. */
  now(): number;
}

/** Events are lost while Redis is away; a task is looked at after this long without any. */
const RECHECK_MS = 2_000;

/** Operators kill schedulers, too; but a source or a sink that ends each of them is not tried for ever. */
const STALLS_MAX = 10;

/** After which a run that met an outage of Redis is taken up again. */
const OUTAGE_MS = 1_000;

/** Refusals of a submission that may be none later. */
const TRANSIENT: ReadonlySet<RequestCode> = new Set([
  'overloaded',
  'too_much_in_flight',
  'unknown_model',
  'upload_interrupted',
  'task_lost',
  'result_expired',
]);

type Outcome = Omit<RunEnd, 'alarms'>;

const DONE: JobOutcome = { kind: 'done' };

/** @param signal aborted when the process stops: the run is handed back as it is */
export async function executeRun(
  deps: ExecuteRunDeps,
  job: RunJob,
  before: EarlierTries,
  signal: AbortSignal,
): Promise<JobOutcome> {
  try {
    return await attemptRun(deps, job, before, signal);
  } catch (error) {
    if (signal.aborted) return { kind: 'hand_back', afterMs: 0 };
    if (!isOutage(error)) throw error;
    deps.log.warn('a run waits for Redis', { ...job, ...errorFields(error) });
    return { kind: 'hand_back', afterMs: OUTAGE_MS };
  }
}

/** @throws what an outage, or the stop of the process, comes to */
async function attemptRun(
  deps: ExecuteRunDeps,
  { schedule, logicalDate }: RunJob,
  before: EarlierTries,
  signal: AbortSignal,
): Promise<JobOutcome> {
  const run = await deps.runs.start(schedule, logicalDate);
  // It has ended, or it is not its turn: it is queued again when it is.
  if (typeof run === 'string') return DONE;
  const ids = { schedule, logical_date: logicalDate, attempt: run.attempt };
  deps.log.info(run.attempt === 1 ? 'a run begins' : 'a run goes on', ids);
  let outcome: Outcome;
  try {
    if (before.stalls > STALLS_MAX) throw new RunError('process_lost', lostTooOften(before.stalls), false);
    outcome = await perform(deps, new Attempt(deps.runs, run, signal));
  } catch (error) {
    if (signal.aborted || isOutage(error)) throw error;
    if (error instanceof OvertakenError) {
      deps.log.warn('a run was taken over', ids);
      return DONE;
    }
    if (!before.isLast && mayPass(error)) {
      deps.log.warn('a run is tried again', { ...ids, ...errorFields(error) });
      await deps.runs.note(run, { error: described(error) });
      return { kind: 'retry', reason: (error as Error).message };
    }
    outcome = cameToNothing(error);
  }
  const alarms = alarmsOf(run, outcome, deps.now());
  if (await deps.runs.end(run, { ...outcome, alarms })) {
    const { status, error } = outcome;
    const level = status === 'failed' || status === 'expired' ? 'warn' : 'info';
    deps.log.log(level, 'a run has ended', {
      ...ids,
      status,
      ...(error && { error: error.message, code: error.code }),
    });
    deps.onEnd(schedule, outcome.status, (deps.now() - (run.startedAt ?? run.createdAt)) / 1000);
  }
  if (outcome.status === 'cancelled') await endTask(deps, run);
  return DONE;
}

/** It may have been accepted just when the run was cancelled. */
async function endTask(
  { runs, store }: ExecuteRunDeps,
  { schedule, logicalDate }: RecordedRun,
): Promise<void> {
  const taskId = (await runs.read(schedule, logicalDate))?.taskId;
  if (taskId !== undefined) await store.end(taskId, 'cancelled');
}

async function perform(deps: ExecuteRunDeps, attempt: Attempt): Promise<Outcome> {
  const { run, signal } = attempt;
  const { definition } = run;
  const made = await deps.slots.with(signal, () => ensureTask(deps, attempt));
  const task = await ended(deps, made, signal);
  const output = await outputOf(deps, run, task);
  const { status } = task;
  // Whoever wants what such a task has come to all the same finds it under its id.
  if (task.erasedAt !== undefined) return { status: 'cancelled' };
  if (status === 'cancelled' || status === 'expired') return { status, ledger: output.rows };
  if (output.rows.succeeded === 0) return { status: 'failed', ledger: output.rows, error: noRow(task) };
  const written = await deps.slots.with(signal, () =>
    attempt.watched((writing) =>
      deps.writeSink(definition.sink, run.attempt, output, {
        signal: writing,
        writtenRows: run.taskId === task.id ? run.writtenRows : 0,
        fence: () => attempt.fence(),
        note: (writtenRows) => attempt.note({ writtenRows }),
      }),
    ),
  );
  const isWhole = output.rows.succeeded === output.rows.total;
  return { status: isWhole ? 'succeeded' : 'partially_succeeded', ledger: output.rows, written };
}

/** Waits for the end of the task. */
async function ended(deps: ExecuteRunDeps, accepted: Task, signal: AbortSignal): Promise<Task> {
  let task = accepted;
  while (!isTerminal(task.status)) {
    signal.throwIfAborted();
    const settled = new AbortController();
    try {
      // Listening begins before the look, so that the end cannot fall between the two.
      const heard = deps.events.wait(task.id, RECHECK_MS, AbortSignal.any([signal, settled.signal]));
      const found = await deps.store.read(task.id);
      if (found === undefined) throw new BatchError('task_lost', `Redis has lost the task ${task.id}`);
      task = found;
      if (!isTerminal(task.status)) await heard;
    } finally {
      settled.abort();
    }
  }
  if (task.error !== undefined) throw new BatchError('upload_interrupted', task.error.message);
  return task;
}

function lostTooOften(stalls: number): string {
  return `${stalls} scheduler processes have ended in the middle of this run, or were stopped for so long that they lost it`;
}

function noRow({ id, errorCounts }: Task): { code: string; message: string } {
  const counts = Object.entries(errorCounts).map(([code, count]) => `${code}: ${count}`);
  return {
    code: 'no_predictions',
    message: `no row of the task ${id} has a prediction (${counts.join(', ')})`,
  };
}

/** True of what may be over by the next attempt. */
function mayPass(error: unknown): boolean {
  if (error instanceof RunCancelledError) return false;
  if (error instanceof RunError) return error.isTransient;
  if (error instanceof BatchError) return TRANSIENT.has(error.code);
  return true;
}

function cameToNothing(error: unknown): Outcome {
  if (error instanceof RunCancelledError) return { status: 'cancelled' };
  const found = described(error);
  // The upload was stopped because somebody has ended its task.
  if (found.code === 'task_ended') return { status: 'cancelled' };
  return { status: 'failed', error: found };
}

function described(error: unknown): { code: string; message: string } {
  const code = error instanceof RunError || error instanceof BatchError ? error.code : 'internal';
  return { code, message: (error as Error).message };
}
