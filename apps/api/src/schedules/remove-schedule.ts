/** `DELETE /v1/schedules/:name`: no run is made any more, and those that have not ended are cancelled. */
import type { RequestHandler } from 'express';
import { NoQuery, parseParameters } from '../query.js';
import { cancelOpenRuns } from './cancel-runs.js';
import { fromFile } from './define-schedule.js';
import { readOwnSchedule, unknownSchedule } from './own-schedule.js';
import type { ScheduleDeps } from './schedule-deps.js';

export function removeScheduleRoute(deps: ScheduleDeps): RequestHandler<{ name: string }> {
  return async (request, response) => {
    parseParameters(NoQuery, request.query, 'query parameter');
    const { client, requestId } = response.locals;
    const { name } = request.params;
    await readOwnSchedule(deps, name, client);
    switch (await deps.schedules.remove(name, client)) {
      case 'gone':
        throw unknownSchedule(name);
      case 'from_file':
        throw fromFile(name);
      case 'removed':
        deps.log.info('a schedule was removed', { schedule: name, request_id: requestId, client });
    }
    await cancelOpenRuns(deps, name, client, { request_id: requestId });
    response.status(204).end();
  };
}
