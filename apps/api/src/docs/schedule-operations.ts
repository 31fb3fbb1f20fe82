/** Schedules and their runs, as operations of the document. */
import type { RequestCode } from '@millrace/batch/errors';
import { ScheduleFile } from '@millrace/schedule/schedule';
import { z } from 'zod';
import type { ZodOpenApiOperationObject, ZodOpenApiPathsObject } from 'zod-openapi';
import { BackfillRequest } from '../schedules/backfill.js';
import { DefineQuery } from '../schedules/define-schedule.js';
import { MERGE_PATCH_TYPE } from '../schedules/json-request.js';
import { RunsQuery } from '../schedules/runs.js';
import { RunRequest } from '../schedules/start-run.js';
import { problemResponses } from './problems.js';
import { Backfill, DeliveryList, Run, RunList, Schedule, ScheduleList } from './schedule-answers.js';

const JSON_TYPE = 'application/json';
const EXAMPLE = {
  name: 'nightly',
  model: 'iris',
  source: { kind: 'file', path: 'data/flowers-{logical_date}.csv' },
  sink: { kind: 'file', path: 'data/species/{logical_date}.ndjson' },
  cron: '30 2 * * *',
  timezone: 'Europe/Berlin',
};
const { name: _, ...UNNAMED } = EXAMPLE;

const NAME = z.string().meta({ description: 'The name of the schedule.', param: { example: EXAMPLE.name } });
const DATE = z
  .string()
  .meta({ description: 'The `logical_date` of the run.', param: { example: '2026-11-20' } });
const OF_SCHEDULE = { path: z.object({ name: NAME }) };
const OF_RUN = { path: z.object({ name: NAME, date: DATE }) };

/** What may be wrong with any body. */
const BODY_CODES: readonly RequestCode[] = [
  'body_too_large',
  'invalid_body',
  'malformed_body',
  'malformed_encoding',
  'unsupported_encoding',
  'unsupported_media_type',
  'upload_timeout',
];
const DEFINING_CODES: readonly RequestCode[] = [
  ...BODY_CODES,
  'invalid_parameter',
  'invalid_schedule',
  'overloaded',
  'schedule_exists',
  'schedule_from_file',
  'too_many_schedules',
  'unknown_parameter',
  // It was removed just when it had been made.
  'unknown_schedule',
];
const LOCATION = z.object({ Location: z.string() });

/** In a body that replaces, the name may be left out: the path has it. */
const Unnamed = ScheduleFile.partial({ name: true });

export function scheduleOperations(): ZodOpenApiPathsObject {
  return {
    '/v1/schedules': { get: list(), post: create() },
    '/v1/schedules/{name}': { get: show(), put: replace(), patch: change(), delete: remove() },
    '/v1/schedules/{name}/run': { post: startRun() },
    '/v1/schedules/{name}/backfill': { post: backfill() },
    '/v1/schedules/{name}/runs': { get: listRuns() },
    '/v1/schedules/{name}/runs/{date}': { get: showRun() },
    '/v1/schedules/{name}/runs/{date}/cancel': { post: cancelRun() },
    '/v1/schedules/{name}/deliveries': { get: listDeliveries() },
  };
}

function list(): ZodOpenApiOperationObject {
  return {
    ...about('listSchedules', 'Your schedules'),
    responses: { 200: ok('Those that are yours.', ScheduleList), ...problemResponses('unknown_parameter') },
  };
}

function create(): ZodOpenApiOperationObject {
  return {
    ...about('createSchedule', 'Make a schedule'),
    requestParams: { query: validateOnly() },
    requestBody: body(ScheduleFile, EXAMPLE),
    responses: {
      201: { ...ok('It is made.', Schedule), headers: LOCATION },
      200: ok('With `validate_only=true`: the schedule as it would be.', Schedule),
      ...problemResponses(...DEFINING_CODES),
    },
  };
}

function show(): ZodOpenApiOperationObject {
  return {
    ...about('showSchedule', 'A schedule, when it is next due, and its last run'),
    requestParams: OF_SCHEDULE,
    responses: {
      200: ok('The schedule.', Schedule),
      ...problemResponses('not_found', 'unknown_parameter', 'unknown_schedule'),
    },
  };
}

function replace(): ZodOpenApiOperationObject {
  return {
    ...about('replaceSchedule', 'Make a schedule, or put it in the place of the one of this name'),
    requestParams: { ...OF_SCHEDULE, query: validateOnly() },
    requestBody: body(Unnamed, UNNAMED),
    responses: {
      201: { ...ok('It is made.', Schedule), headers: LOCATION },
      200: ok('It is replaced. With `validate_only=true`: the schedule as it would be.', Schedule),
      ...problemResponses(...DEFINING_CODES, 'not_found'),
    },
  };
}

function change(): ZodOpenApiOperationObject {
  const patch = z.record(z.string(), z.unknown());
  const content = { schema: patch, examples: { pause: { value: { enabled: false } } } };
  return {
    ...about('changeSchedule', 'Change, pause or resume a schedule'),
    description:
      'A JSON Merge Patch (RFC 7396) of the definition: members replace those of the same name, `null` takes one away. While `enabled` is false nothing is due; what passed meanwhile is not made up for.',
    requestParams: OF_SCHEDULE,
    requestBody: { required: true, content: { [MERGE_PATCH_TYPE]: content, [JSON_TYPE]: content } },
    responses: {
      200: ok('The schedule as it is now.', Schedule),
      ...problemResponses(
        ...BODY_CODES,
        'invalid_schedule',
        'not_found',
        'overloaded',
        'schedule_exists',
        'schedule_from_file',
        'too_many_schedules',
        'unknown_parameter',
        'unknown_schedule',
      ),
    },
  };
}

function remove(): ZodOpenApiOperationObject {
  return {
    ...about('removeSchedule', 'Remove a schedule'),
    description: 'Its runs that have not ended are cancelled; what was recorded of runs stays for its time.',
    requestParams: OF_SCHEDULE,
    responses: {
      204: { description: 'It is removed.' },
      ...problemResponses('not_found', 'schedule_from_file', 'unknown_parameter', 'unknown_schedule'),
    },
  };
}

function startRun(): ZodOpenApiOperationObject {
  return {
    ...about('startRun', 'Run a schedule now'),
    description:
      'Without a `logical_date` the run has the moment as its date. A run that has ended without success is made once more; one that has succeeded only with `force`.',
    requestParams: OF_SCHEDULE,
    requestBody: {
      content: {
        [JSON_TYPE]: { schema: z.strictObject(RunRequest.shape), examples: { now: { value: {} } } },
      },
    },
    responses: {
      202: { ...ok('The run.', Run), headers: LOCATION },
      ...problemResponses(
        ...BODY_CODES,
        'invalid_logical_date',
        'invalid_parameter',
        'not_found',
        'run_exists',
        'overloaded',
        'too_many_runs',
        'unknown_parameter',
        'unknown_run',
        'unknown_schedule',
      ),
    },
  };
}

function backfill(): ZodOpenApiOperationObject {
  const { from, to, parallel } = BackfillRequest.shape;
  const schema = z.strictObject({
    from: from.describe('The first local day.'),
    to: to.describe('The last one. What is not due yet is left to the clock.'),
    parallel: parallel.describe('How many of the runs may be under way at once; 1 when left out.'),
  });
  return {
    ...about('backfill', 'Make the runs of a range of days'),
    description:
      'In order, at most 1,000. Runs that are there stay as they are, unless they failed, were cancelled, skipped or missed, or have expired: those are made once more.',
    requestParams: OF_SCHEDULE,
    requestBody: body(schema, { from: '2026-11-01', to: '2026-11-20', parallel: 2 }),
    responses: {
      202: ok('What has become of each date.', Backfill),
      ...problemResponses(
        ...BODY_CODES,
        'invalid_parameter',
        'invalid_range',
        'not_found',
        'overloaded',
        'too_many_runs',
        'unknown_parameter',
        'unknown_schedule',
      ),
    },
  };
}

function listRuns(): ZodOpenApiOperationObject {
  const { limit, before } = RunsQuery.shape;
  return {
    ...about('listRuns', 'The runs of a schedule'),
    description:
      'Those of a schedule that is gone stay readable. The last 1,000 of a schedule are remembered.',
    requestParams: {
      ...OF_SCHEDULE,
      query: z.object({
        limit: limit.describe('Runs of a page, at most 200; 50 when left out.'),
        before: before.describe('The `next` of the page before.'),
      }),
    },
    responses: {
      200: ok('A page of them.', RunList),
      ...problemResponses('invalid_parameter', 'not_found', 'unknown_parameter', 'unknown_schedule'),
    },
  };
}

function showRun(): ZodOpenApiOperationObject {
  return {
    ...about('showRun', 'A run'),
    requestParams: OF_RUN,
    responses: { 200: ok('The run as it stands.', Run), ...runProblems() },
  };
}

function cancelRun(): ZodOpenApiOperationObject {
  return {
    ...about('cancelRun', 'Cancel a run'),
    description:
      'One that waits ends at once; of one that runs the task does, and the run a little later. Cancelling a run that has ended changes nothing.',
    requestParams: OF_RUN,
    responses: { 200: ok('The run as it stands.', Run), ...runProblems() },
  };
}

function listDeliveries(): ZodOpenApiOperationObject {
  return {
    ...about('listDeliveries', 'What became of the alarms of a schedule'),
    requestParams: OF_SCHEDULE,
    responses: {
      200: ok('The last tries to tell webhooks.', DeliveryList),
      ...problemResponses('not_found', 'unknown_parameter', 'unknown_schedule'),
    },
  };
}

function about(operationId: string, summary: string) {
  return { operationId, tags: ['Schedules'], summary };
}

function validateOnly() {
  return DefineQuery.extend({
    validate_only: DefineQuery.shape.validate_only.describe(
      '`true` checks the schedule, answers with the next five run times, and keeps nothing.',
    ),
  });
}

function body(schema: z.ZodType, example: object) {
  return {
    required: true,
    description: 'At most 64 KiB.',
    content: { [JSON_TYPE]: { schema, examples: { example: { value: example } } } },
  };
}

function ok(description: string, schema: z.ZodType) {
  return { description, content: { [JSON_TYPE]: { schema } } };
}

function runProblems() {
  return problemResponses('not_found', 'unknown_parameter', 'unknown_run', 'unknown_schedule');
}
