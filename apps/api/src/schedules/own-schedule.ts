/** Finds the schedule, or the run, that a client asks for: its own and no other's. */
import { BatchError } from '@millrace/batch/errors';
import { shorten } from '@millrace/batch/rows/describe';
import type { RecordedRun, RecordedSchedule } from '@millrace/queue/schedules/run-record';
import type { RunPage } from '@millrace/queue/schedules/run-store';
import { isLogicalDate } from '@millrace/schedule/logical-date';
import { ScheduleName } from '@millrace/schedule/schedule';
import type { ScheduleDeps } from './schedule-deps.js';

type OwnDeps = Pick<ScheduleDeps, 'schedules' | 'runs'>;

/** @throws BatchError `unknown_schedule` */
export async function readOwnSchedule(
  deps: OwnDeps,
  name: string,
  client: string,
): Promise<RecordedSchedule> {
  const found = await findOwnSchedule(deps, name, client);
  if (found === undefined) throw unknownSchedule(name);
  return found;
}

/** The client's own run, that of a schedule which is gone, too. @throws BatchError `unknown_schedule`, `unknown_run` */
export async function readOwnRun(
  deps: OwnDeps,
  name: string,
  logicalDate: string,
  client: string,
): Promise<RecordedRun> {
  const run = await findOwnRun(deps, name, logicalDate, client);
  if (run !== undefined) return run;
  await readOwnSchedule(deps, name, client);
  throw new BatchError('unknown_run', `${name} has no run "${shorten(logicalDate)}"`);
}

export async function findOwnRun(
  { runs }: OwnDeps,
  name: string,
  logicalDate: string,
  client: string,
): Promise<RecordedRun | undefined> {
  if (!isName(name) || !isLogicalDate(logicalDate)) return undefined;
  const run = await runs.read(name, logicalDate);
  return run?.client === client ? run : undefined;
}

/**
 * The client's own runs, the latest first, those of a schedule which is gone, too. Others may have had the name before.
 * @throws BatchError `unknown_schedule` when there is neither the schedule nor a run
 */
export async function readOwnRuns(
  deps: OwnDeps,
  name: string,
  client: string,
  limit: number,
  before: string | undefined,
): Promise<RunPage> {
  const schedule = await findOwnSchedule(deps, name, client);
  let page: RunPage = { runs: [], next: before };
  if (isName(name)) {
    do page = ownOf(await deps.runs.page(name, limit, page.next), client);
    while (page.runs.length === 0 && page.next !== undefined);
  }
  if (schedule === undefined && page.runs.length === 0) throw unknownSchedule(name);
  return page;
}

export function unknownSchedule(name: string): BatchError {
  return new BatchError('unknown_schedule', `there is no schedule "${shorten(name)}"`);
}

/** Somebody else's is as unknown as one that never was. */
async function findOwnSchedule(
  { schedules }: OwnDeps,
  name: string,
  client: string,
): Promise<RecordedSchedule | undefined> {
  const found = isName(name) ? await schedules.read(name) : undefined;
  return found?.client === client ? found : undefined;
}

function ownOf({ runs, next }: RunPage, client: string): RunPage {
  return { runs: runs.filter((run) => run.client === client), next };
}

/** What is none never becomes a part of a key. */
function isName(name: string): boolean {
  return ScheduleName.safeParse(name).success;
}
