/** The runs of a schedule: `GET /v1/schedules/:name/runs`, `GET …/runs/:date` and `POST …/runs/:date/cancel`. */
import { isLogicalDate } from '@millrace/schedule/logical-date';
import type { RequestHandler } from 'express';
import { z } from 'zod';
import { NoQuery, parseParameters } from '../query.js';
import { sendJson } from '../send-json.js';
import { cancelRun } from './cancel-runs.js';
import { readOwnRun, readOwnRuns } from './own-schedule.js';
import type { ScheduleDeps } from './schedule-deps.js';
import { runAnswer, runNow, waitingForScheduler } from './schedule-view.js';

const PAGE_RUNS = 50;
const PAGE_MAX = 200;
const LIMIT = `must be from 1 to ${PAGE_MAX}`;

export const RunsQuery = z.object({
  limit: z
    .string()
    .regex(/^[1-9]\d{0,2}$/, LIMIT)
    .transform(Number)
    .pipe(z.number().max(PAGE_MAX, LIMIT))
    .optional(),
  /** Where the page before ended. */
  before: z.string().refine(isLogicalDate, 'must be the "next" of another page').optional(),
});

type RunParameters = { name: string; date: string };

export function listRunsRoute(deps: ScheduleDeps): RequestHandler<{ name: string }> {
  return async (request, response) => {
    const { limit = PAGE_RUNS, before } = parseParameters(RunsQuery, request.query, 'query parameter');
    const { runs, next } = await readOwnRuns(
      deps,
      request.params.name,
      response.locals.client,
      limit,
      before,
    );
    const waitingFor = await waitingForScheduler(deps);
    sendJson(response, {
      runs: runs.map((run) => runAnswer(run, waitingFor)),
      ...(next === undefined ? {} : { next }),
    });
  };
}

export function showRunRoute(deps: ScheduleDeps): RequestHandler<RunParameters> {
  return async (request, response) => {
    parseParameters(NoQuery, request.query, 'query parameter');
    const { name, date } = request.params;
    const run = await readOwnRun(deps, name, date, response.locals.client);
    sendJson(response, await runNow(deps, run));
  };
}

/** Cancelling what has ended changes nothing. */
export function cancelRunRoute(deps: ScheduleDeps): RequestHandler<RunParameters> {
  return async (request, response) => {
    parseParameters(NoQuery, request.query, 'query parameter');
    const { client, requestId } = response.locals;
    const { name, date } = request.params;
    await readOwnRun(deps, name, date, client);
    await cancelRun(deps, name, date, client, { request_id: requestId });
    const run = await readOwnRun(deps, name, date, client);
    sendJson(response, await runNow(deps, run));
  };
}
