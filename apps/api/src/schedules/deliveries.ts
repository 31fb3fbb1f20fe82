/** `GET /v1/schedules/:name/deliveries`: the last tries to tell webhooks of a schedule's alarms, the latest first. */
import type { RequestHandler } from 'express';
import { NoQuery, parseParameters } from '../query.js';
import { sendJson } from '../send-json.js';
import { readOwnSchedule } from './own-schedule.js';
import type { ScheduleDeps } from './schedule-deps.js';

export function listDeliveriesRoute(deps: ScheduleDeps): RequestHandler<{ name: string }> {
  return async (request, response) => {
    parseParameters(NoQuery, request.query, 'query parameter');
    const { name } = request.params;
    const { createdAt } = await readOwnSchedule(deps, name, response.locals.client);
    // Somebody else may have had a schedule of this name before.
    const deliveries = (await deps.alarms.deliveries(name)).filter(({ at }) => Date.parse(at) >= createdAt);
    sendJson(response, { deliveries });
  };
}
