/** `POST /v1/schedules`, `PUT` and `PATCH /v1/schedules/:name`: schedules are made, replaced and changed. */
import { BatchError } from '@millrace/batch/errors';
import type { PutReply } from '@millrace/queue/schedules/schedule-store';
import { SCHEDULES_MAX } from '@millrace/queue/schedules/schedule-store';
import { parseScheduleOf, type Schedule } from '@millrace/schedule/schedule';
import { ScheduleError } from '@millrace/schedule/schedule-error';
import type { RequestHandler, Response } from 'express';
import { z } from 'zod';
import { NoQuery, parseParameters } from '../query.js';
import { sendJson } from '../send-json.js';
import { type JsonObject, readObject, readPatch } from './json-request.js';
import { mergePatch } from './merge-patch.js';
import { readOwnSchedule } from './own-schedule.js';
import type { ScheduleDeps } from './schedule-deps.js';
import { plannedView, scheduleView, waitingForScheduler } from './schedule-view.js';

export const DefineQuery = z.object({
  /** `true` checks the schedule and keeps nothing of it. */
  validate_only: z.enum(['true', 'false'], 'must be true or false').optional(),
});

/** How often a change is tried again that others have come before. */
const ROUNDS_MAX = 20;

export function createScheduleRoute(deps: ScheduleDeps): RequestHandler {
  return async (request, response) => {
    const { validate_only: validateOnly } = parseParameters(DefineQuery, request.query, 'query parameter');
    const definition = parseScheduleOf(response.locals.client, await readObject(deps, request));
    if (validateOnly === 'true') return answerPlanned(deps, response, definition, 'create');
    await put(deps, response, definition, 'create');
    await answerDefined(deps, response, definition, true);
  };
}

export function replaceScheduleRoute(deps: ScheduleDeps): RequestHandler<{ name: string }> {
  return async (request, response) => {
    const { validate_only: validateOnly } = parseParameters(DefineQuery, request.query, 'query parameter');
    const body = named(request.params.name, await readObject(deps, request));
    const definition = parseScheduleOf(response.locals.client, body);
    if (validateOnly === 'true') return answerPlanned(deps, response, definition, 'replace');
    const reply = await put(deps, response, definition, 'replace');
    await answerDefined(deps, response, definition, reply === 'created');
  };
}

export function changeScheduleRoute(deps: ScheduleDeps): RequestHandler<{ name: string }> {
  return async (request, response) => {
    parseParameters(NoQuery, request.query, 'query parameter');
    const { client } = response.locals;
    const { name } = request.params;
    const patch = named(name, await readPatch(deps, request));
    for (let round = 0; round < ROUNDS_MAX; round++) {
      const found = await readOwnSchedule(deps, name, client);
      const definition = parseScheduleOf(client, mergePatch(found.definition, patch));
      const reply = await put(deps, response, definition, found.revision);
      if (reply !== 'changed') return answerDefined(deps, response, definition, false);
    }
    throw new BatchError(
      'overloaded',
      `${name} is being changed all the time; nothing was changed; try again`,
    );
  };
}

/** The body with the name of the path. @throws ScheduleError `invalid_schedule` when it has another one */
function named(name: string, body: JsonObject): JsonObject {
  if (!Object.hasOwn(body, 'name') || body.name === name) return { ...body, name };
  const message = `must be ${JSON.stringify(name)}, as in the path, or left out`;
  throw new ScheduleError('invalid_schedule', `name: ${message}`, [{ field: 'name', message }]);
}

/** @throws BatchError `schedule_exists`, `schedule_from_file`, `too_many_schedules` */
async function put(
  { schedules, admission, log }: ScheduleDeps,
  response: Response,
  definition: Schedule,
  mode: 'create' | 'replace' | number,
): Promise<Extract<PutReply, 'created' | 'replaced' | 'same' | 'changed'>> {
  const { client, requestId } = response.locals;
  const { name } = definition;
  await admission.admitRecord();
  const reply = await schedules.put({ definition, client }, mode);
  switch (reply) {
    case 'exists':
      throw scheduleExists(name);
    case 'from_file':
      throw fromFile(name);
    case 'full':
      throw new BatchError('too_many_schedules', `there are ${SCHEDULES_MAX} schedules; no more are taken`);
    case 'older':
      throw new Error('only a file can be older');
    case 'created':
    case 'replaced':
      log.info(`a schedule was ${reply}`, { schedule: name, request_id: requestId, client });
      return reply;
    default:
      return reply;
  }
}

async function answerDefined(
  deps: ScheduleDeps,
  response: Response,
  { name }: Schedule,
  isNew: boolean,
): Promise<void> {
  const schedule = await readOwnSchedule(deps, name, response.locals.client);
  if (isNew) response.status(201).location(`/v1/schedules/${name}`);
  sendJson(response, await scheduleView(deps, schedule, await waitingForScheduler(deps)));
}

/** What making it would be refused for refuses this, too. */
async function answerPlanned(
  deps: ScheduleDeps,
  response: Response,
  definition: Schedule,
  mode: 'create' | 'replace',
): Promise<void> {
  const { name } = definition;
  const found = await deps.schedules.read(name);
  if (found !== undefined && (mode === 'create' || found.client !== response.locals.client))
    throw scheduleExists(name);
  if (found?.origin === 'file') throw fromFile(name);
  sendJson(response, await plannedView(deps, definition));
}

function scheduleExists(name: string): BatchError {
  return new BatchError('schedule_exists', `there is a schedule "${name}" already`);
}

export function fromFile(name: string): BatchError {
  return new BatchError(
    'schedule_from_file',
    `"${name}" comes from a file of the scheduler, which wins over requests; change or remove the file`,
  );
}
