/** `POST /v1/schedules/:name/run`: a run now, of this moment or of a date that is given. */
import { BatchError } from '@millrace/batch/errors';
import type { RecordedRun, RecordedSchedule } from '@millrace/queue/schedules/run-record';
import type { RunDate } from '@millrace/queue/schedules/run-store';
import { OPEN_RUNS_MAX } from '@millrace/queue/scripts/run-scripts';
import { CronTimes } from '@millrace/schedule/cron-times';
import { momentDate } from '@millrace/schedule/logical-date';
import { isRunOver } from '@millrace/schedule/run';
import type { RequestHandler } from 'express';
import { z } from 'zod';
import { NoQuery, parseParameters } from '../query.js';
import { sendJson } from '../send-json.js';
import { readOptionalObject } from './json-request.js';
import { findOwnRun, readOwnRun, readOwnSchedule } from './own-schedule.js';
import type { ScheduleDeps } from './schedule-deps.js';
import { runAnswer, waitingForScheduler } from './schedule-view.js';

export const RunRequest = z.object({
  logical_date: z.string('must be a logical date of the schedule').optional(),
  force: z.boolean('must be true or false').optional(),
});
type RunRequest = z.infer<typeof RunRequest>;

/** Runs of one schedule at once, of those that are asked for. */
export const PARALLEL_MAX = 16;

export function startRunRoute(deps: ScheduleDeps): RequestHandler<{ name: string }> {
  return async (request, response) => {
    parseParameters(NoQuery, request.query, 'query parameter');
    const { client, requestId } = response.locals;
    const { name } = request.params;
    const schedule = await readOwnSchedule(deps, name, client);
    const asked = parseParameters(RunRequest, await readOptionalObject(deps, request), 'member');
    await deps.admission.admitRecord();
    const date = await dateOf(deps, schedule, asked);
    const again = asked.force === true ? 'always' : 'unsuccessful';
    const outcomes = await deps.runs.add(schedule, [date], 'manual', PARALLEL_MAX, again);
    if (outcomes === undefined) throw tooManyOpen(name);
    const run = await readOwnRun(deps, name, date.logicalDate, client);
    if (outcomes[0] === 'exists') throw runExists(run);
    deps.log.info('a run was asked for', {
      schedule: name,
      logical_date: run.logicalDate,
      request_id: requestId,
      client,
    });
    response.status(202).location(`/v1/schedules/${name}/runs/${run.logicalDate}`);
    sendJson(response, runAnswer(run, await waitingForScheduler(deps)));
  };
}

/** @throws ScheduleError `invalid_logical_date` */
async function dateOf(
  deps: ScheduleDeps,
  { definition, client }: RecordedSchedule,
  { logical_date: given }: RunRequest,
): Promise<RunDate> {
  const now = Date.now();
  if (given === undefined) return { logicalDate: momentDate(now), dueAt: now };
  // The dates of runs that were made by hand are not the cron's.
  const found = await findOwnRun(deps, definition.name, given, client);
  return found ?? new CronTimes(definition.cron, definition.timezone).at(given);
}

export function tooManyOpen(name: string): BatchError {
  return new BatchError(
    'too_many_runs',
    `at most ${OPEN_RUNS_MAX} runs of ${name} that were asked for may wait at once; try again when some have ended`,
    { limit_runs: OPEN_RUNS_MAX },
  );
}

function runExists({ schedule, logicalDate, status }: RecordedRun): BatchError {
  const what = isRunOver(status)
    ? `has ended as ${status}; with "force": true it is made once more`
    : `is under way (${status})`;
  return new BatchError('run_exists', `the run ${logicalDate} of ${schedule} ${what}`);
}
