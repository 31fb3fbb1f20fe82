/** `GET /v1/schedules` and `GET /v1/schedules/:name`: schedules, when they are next due, and what came of their last run. */
import type { RequestHandler } from 'express';
import { NoQuery, parseParameters } from '../query.js';
import { sendJson } from '../send-json.js';
import { readOwnSchedule } from './own-schedule.js';
import type { ScheduleDeps } from './schedule-deps.js';
import { scheduleView, waitingForScheduler } from './schedule-view.js';

export function listSchedulesRoute(deps: ScheduleDeps): RequestHandler {
  return async (request, response) => {
    parseParameters(NoQuery, request.query, 'query parameter');
    const own = (await deps.schedules.list()).filter(({ client }) => client === response.locals.client);
    const waitingFor = await waitingForScheduler(deps);
    const views: Record<string, unknown>[] = [];
    // One by one: the next run times of a rare cron take milliseconds to find, and other requests have their turn between.
    for (const schedule of own) views.push(await scheduleView(deps, schedule, waitingFor));
    sendJson(response, { schedules: views });
  };
}

export function showScheduleRoute(deps: ScheduleDeps): RequestHandler<{ name: string }> {
  return async (request, response) => {
    parseParameters(NoQuery, request.query, 'query parameter');
    const schedule = await readOwnSchedule(deps, request.params.name, response.locals.client);
    sendJson(response, await scheduleView(deps, schedule, await waitingForScheduler(deps)));
  };
}
