/** `POST /v1/schedules/:name/backfill`: the runs of a range of local days that should have been, in order. */
import { BatchError } from '@millrace/batch/errors';
import type { RunDate } from '@millrace/queue/schedules/run-store';
import { CronTimes } from '@millrace/schedule/cron-times';
import type { Schedule } from '@millrace/schedule/schedule';
import type { RequestHandler } from 'express';
import { z } from 'zod';
import { NoQuery, parseParameters } from '../query.js';
import { sendJson } from '../send-json.js';
import { readObject } from './json-request.js';
import { readOwnSchedule } from './own-schedule.js';
import type { ScheduleDeps } from './schedule-deps.js';
import { waitingForScheduler } from './schedule-view.js';
import { PARALLEL_MAX, tooManyOpen } from './start-run.js';

const DAY = 'must be a day such as 2026-11-20';
const PARALLEL = `must be a whole number from 1 to ${PARALLEL_MAX}`;

export const BackfillRequest = z.object({
  from: z.string(DAY),
  to: z.string(DAY),
  parallel: z.int(PARALLEL).min(1, PARALLEL).max(PARALLEL_MAX, PARALLEL).optional(),
});
type BackfillRequest = z.infer<typeof BackfillRequest>;

/** Runs of one backfill. */
export const RUNS_MAX = 1_000;
/** Dates beyond these are not counted any more. */
const COUNTED_MAX = 10_000;

export const OUTCOMES = ['created', 'again', 'existing'] as const;

export function backfillRoute(deps: ScheduleDeps): RequestHandler<{ name: string }> {
  return async (request, response) => {
    parseParameters(NoQuery, request.query, 'query parameter');
    const { client, requestId } = response.locals;
    const { name } = request.params;
    const schedule = await readOwnSchedule(deps, name, client);
    const asked = parseParameters(BackfillRequest, await readObject(deps, request), 'member');
    await deps.admission.admitRecord();
    const dates = datesOf(schedule.definition, asked);
    const replies = await deps.runs.add(schedule, dates, 'backfill', asked.parallel ?? 1, 'unsuccessful');
    if (replies === undefined) throw tooManyOpen(name);
    const outcomes = replies.map((reply) => (reply === 'exists' ? 'existing' : reply));
    const counts = Object.fromEntries(
      OUTCOMES.map((outcome) => [outcome, outcomes.filter((each) => each === outcome).length]),
    );
    deps.log.info('a backfill was asked for', { schedule: name, ...counts, request_id: requestId, client });
    const waitingFor = await waitingForScheduler(deps);
    sendJson(response.status(202), {
      ...counts,
      ...(waitingFor === undefined ? {} : { waiting_for: waitingFor }),
      runs: dates.map(({ logicalDate }, at) => ({ logical_date: logicalDate, outcome: outcomes[at] })),
    });
  };
}

/**
 * Those that are due by now: the others are for the clock to bring.
 * @throws ScheduleError `invalid_range`; BatchError `too_many_runs`
 */
function datesOf({ cron, timezone }: Schedule, { from, to }: BackfillRequest): RunDate[] {
  const now = Date.now();
  const dates: RunDate[] = [];
  let count = 0;
  for (const date of new CronTimes(cron, timezone).range(from, to)) {
    if (date.dueAt > now || count > COUNTED_MAX) break;
    count++;
    if (count <= RUNS_MAX) dates.push(date);
  }
  if (count > RUNS_MAX) throw tooManyDates(count, dates.at(-1));
  return dates;
}

function tooManyDates(count: number, last: RunDate | undefined): BatchError {
  const [words, counted] = count > COUNTED_MAX ? ['more than ', COUNTED_MAX] : ['', count];
  return new BatchError(
    'too_many_runs',
    `there are ${words}${counted} dates in this range, and a backfill makes at most ${RUNS_MAX} runs, here those up to ${last?.logicalDate}`,
    { runs: counted, limit_runs: RUNS_MAX },
  );
}
