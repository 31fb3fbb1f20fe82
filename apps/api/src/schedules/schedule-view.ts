/** Schedules and runs as HTTP shows them. */
import { BatchError } from '@millrace/batch/errors';
import { modelKey } from '@millrace/batch/model';
import { isoTime } from '@millrace/batch/task';
import type { CatalogEntry } from '@millrace/queue/catalog';
import type { RecordedRun, RecordedSchedule } from '@millrace/queue/schedules/run-record';
import { CronTimes } from '@millrace/schedule/cron-times';
import { previewOf } from '@millrace/schedule/preview';
import { isRunOver, runView } from '@millrace/schedule/run';
import type { Schedule } from '@millrace/schedule/schedule';
import { waitingFor } from '../models.js';
import type { ScheduleDeps } from './schedule-deps.js';

type View = Record<string, unknown>;

export const NO_SCHEDULER = 'no scheduler process is running';

/** What keeps all runs from being made, in words; undefined when nothing does. */
export async function waitingForScheduler({
  schedulerBeat,
}: Pick<ScheduleDeps, 'schedulerBeat'>): Promise<string | undefined> {
  return (await schedulerBeat.isHeard()) ? undefined : NO_SCHEDULER;
}

export async function scheduleView(
  deps: ScheduleDeps,
  schedule: RecordedSchedule,
  waitingFor: string | undefined,
): Promise<View> {
  const { definition, client, origin, revision, createdAt, updatedAt } = schedule;
  const latest = await deps.runs.latest(definition.name);
  return {
    ...definition,
    origin,
    revision,
    created_at: isoTime(createdAt),
    updated_at: isoTime(updatedAt),
    ...(await outlook(deps, definition, waitingFor)),
    last_run: latest?.client === client ? runAnswer(latest, waitingFor) : null,
  };
}

/** The view of a schedule that is only checked. */
export async function plannedView(deps: ScheduleDeps, definition: Schedule): Promise<View> {
  return {
    ...definition,
    origin: 'api',
    revision: null,
    created_at: null,
    updated_at: null,
    ...(await outlook(deps, definition, await waitingForScheduler(deps))),
    last_run: null,
  };
}

export function runAnswer(run: RecordedRun, waitingFor: string | undefined): View {
  if (isRunOver(run.status)) return runView(run);
  return {
    ...runView(run),
    ...(run.cancel === undefined ? {} : { cancel_requested: true }),
    ...(waitingFor === undefined ? {} : { waiting_for: waitingFor }),
  };
}

/** One run by itself: while it runs, with the rows of its task as they stand, and what that waits for. */
export async function runNow(deps: ScheduleDeps, run: RecordedRun): Promise<View> {
  const answer = runAnswer(run, await waitingForScheduler(deps));
  const task =
    run.taskId === undefined || isRunOver(run.status) ? undefined : await deps.store.read(run.taskId);
  if (task === undefined || task.error !== undefined) return answer;
  const waiting = waitingFor(task, await deps.catalog.get(task.model));
  return { ...answer, rows: task.ledger, ...(waiting === undefined ? {} : { waiting_for: waiting }) };
}

/** What is to come, and what stands in its way. */
async function outlook(
  { catalog }: Pick<ScheduleDeps, 'catalog'>,
  { model, cron, timezone, enabled }: Schedule,
  waitingFor: string | undefined,
): Promise<View> {
  const modelProblem = await catalog.resolve(model).then(withoutWorker, unknownModel);
  return {
    ...(enabled && waitingFor !== undefined ? { waiting_for: waitingFor } : {}),
    ...(modelProblem === undefined ? {} : { model_problem: modelProblem }),
    next_runs: previewOf(new CronTimes(cron, timezone), Date.now()),
  };
}

function withoutWorker({ model, workers }: CatalogEntry): string | undefined {
  return workers > 0 ? undefined : `no worker serves ${modelKey(model)} now`;
}

/** A worker that serves it may come later. */
function unknownModel(error: unknown): string {
  if (error instanceof BatchError && error.code === 'unknown_model') return error.message;
  throw error;
}
