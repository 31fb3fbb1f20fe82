/** Submitting rows and polling for the result, as operations of the document. */
import { CSV_HEADER } from '@millrace/batch/results/csv-line';
import { z } from 'zod';
import type { ZodOpenApiOperationObject } from 'zod-openapi';
import { ResultQuery } from '../result/result.js';
import { SubmitOptions, SubmitQuery } from '../submit/options.js';
import { DryRun, Task } from './answers.js';
import { type ModelSchemas, withExamples } from './model-schemas.js';
import { problemResponses } from './problems.js';

const JSON_TYPE = 'application/json';
const NDJSON_TYPE = 'application/x-ndjson';
const CSV_TYPE = 'text/csv';
const ARROW_TYPE = 'application/vnd.apache.arrow.stream';
const PARQUET_TYPE = 'application/vnd.apache.parquet';
/** Bytes that are no text: without a schema, as OpenAPI 3.1 has it. */
const BYTES = {};

const WAIT = z.object({
  Prefer: z
    .string()
    .optional()
    .meta({
      description:
        '`wait=10` (RFC 7240) holds the answer until the task has finished, at most so many seconds; more than 60 count as 60.',
      param: { example: 'wait=10' },
    }),
});
const SUBMIT_HEADERS = WAIT.extend({
  'Idempotency-Key': z
    .string()
    .optional()
    .meta({
      description:
        '1 to 255 printable ASCII characters, best in double quotes. The same request with the same key makes no second task; it is answered with the first one’s.',
      param: { example: '"nightly 2026-11-22"' },
    }),
});
const IDEMPOTENCY_REPLAYED = z
  .literal('true')
  .optional()
  .describe('The task is that of an earlier request with this `Idempotency-Key`.');
const RETRY_AFTER = z.string().describe('Seconds after which to ask again.');
const PREFERENCE_APPLIED = z
  .string()
  .optional()
  .describe('The `wait` that was taken, where one was asked for.');

export function submit(models: ModelSchemas, result: z.ZodType): ZodOpenApiOperationObject {
  const { model, on_invalid: onInvalid, expires_in: expiresIn } = SubmitOptions.shape;
  const options = {
    model: model.describe(
      '`name` (the highest version), `name@version` or `name@alias`. The version is pinned when the task is accepted.',
    ),
    on_invalid: onInvalid.describe(
      '`reject` refuses the request when a row is wrong; `report` predicts the others and reports the wrong ones. Default: `reject` for JSON, `report` for everything else.',
    ),
    expires_in: expiresIn.describe(
      'Seconds. Rows that have no prediction by then are `expired` and are not computed.',
    ),
  };
  const query = {
    ...options,
    model: options.model.meta({ param: withExamples(models.refs) }),
    validate_only: SubmitQuery.shape.validate_only.describe(
      '`true` checks the rows and keeps nothing of them; bad rows are reported, whatever `on_invalid` says.',
    ),
  };
  const envelope = z.strictObject({ inputs: models.batch, ...options });
  return {
    operationId: 'submit',
    tags: ['Batches'],
    summary: 'Submit rows',
    description:
      'Answers at once with the id of a task; its result is at `Location`. Bodies are UTF-8 and may be sent with `Content-Encoding: gzip`.',
    requestParams: { query: SubmitQuery.extend(query), header: SUBMIT_HEADERS },
    requestBody: {
      required: true,
      description:
        'JSON: a list of rows, or an object with the rows and the options; for requests, as it is read whole. NDJSON (also `application/ndjson`, `application/jsonl`, `application/x-jsonlines`): one row per line, streamed. CSV (RFC 4180): a header line with the features in any order, then one record per row, streamed. An Arrow IPC stream or a Parquet file (also `application/x-parquet`) with a column for each feature, named as in CSV.',
      content: {
        [JSON_TYPE]: { schema: z.union([models.batch, envelope]), ...withExamples(models.json) },
        [NDJSON_TYPE]: { schema: z.string(), ...withExamples(models.ndjson) },
        [CSV_TYPE]: { schema: z.string(), ...withExamples(models.csv) },
        [ARROW_TYPE]: { schema: BYTES },
        [PARQUET_TYPE]: { schema: BYTES },
      },
    },
    responses: {
      202: {
        description: 'The rows are taken; the task as it stands.',
        headers: z.object({
          Location: z.string().describe('Where the result will be.'),
          'Retry-After': RETRY_AFTER,
          'Preference-Applied': PREFERENCE_APPLIED,
          'Idempotency-Replayed': IDEMPOTENCY_REPLAYED,
        }),
        content: { [JSON_TYPE]: { schema: Task } },
      },
      200: {
        description:
          'With `Prefer: wait`: the task has finished by now, and this is its result. With `validate_only=true`: what the check found.',
        headers: z.object({
          Location: z.string().optional().describe('Not with `validate_only=true`.'),
          'Preference-Applied': PREFERENCE_APPLIED,
          'Idempotency-Replayed': IDEMPOTENCY_REPLAYED,
        }),
        content: { [JSON_TYPE]: { schema: z.union([result, Task, DryRun]) } },
      },
      ...problemResponses(
        'body_too_large',
        'conflicting_parameter',
        'duplicate_column',
        'empty_batch',
        'idempotency_key_in_use',
        'idempotency_key_reused',
        'invalid_body',
        'invalid_idempotency_key',
        'invalid_parameter',
        'invalid_rows',
        'malformed_body',
        'malformed_encoding',
        'malformed_header',
        'missing_column',
        'model_required',
        'overloaded',
        'record_batch_too_large',
        'result_expired',
        'row_too_large',
        'task_ended',
        'task_erased',
        'too_many_rows',
        'too_much_in_flight',
        'unknown_column',
        'unknown_model',
        'unknown_parameter',
        'unsupported_encoding',
        'unsupported_media_type',
        'upload_interrupted',
        'upload_timeout',
        'wrong_column_type',
      ),
    },
  };
}

/** @param result of a finished task @param page of its rows */
export function poll(result: z.ZodType, page: z.ZodType): ZodOpenApiOperationObject {
  const lines =
    '{"row":0,"id":"a","prediction":0}\n{"row":1,"error":{"code":"missing_feature","message":"x: is missing"}}\n';
  return {
    operationId: 'result',
    tags: ['Batches'],
    summary: 'Where a task stands, and its result',
    description:
      'While a task is unfinished, every answer is its status as JSON: `200` to a client that takes JSON, `202` to one that asked for anything else.',
    requestParams: {
      path: z.object({ id: Task.shape.task_id.describe('The `task_id`.') }),
      query: ResultQuery.extend({
        outputs: ResultQuery.shape.outputs.describe(
          '`default`: what the model shows by default; `primary`: its primary output alone; `all`: an object with every output.',
        ),
        after: ResultQuery.shape.after.describe(
          'Reads the result in pages, while the task runs or after: `0` for the first, then the `next` of the last one. Each row is seen once, in input order. JSON only.',
        ),
        limit: ResultQuery.shape.limit.describe('Rows of a page, at most 10,000; 1,000 when left out.'),
        from_row: ResultQuery.shape.from_row.describe(
          'The first row of the answer, to go on with a download that broke off. Not with JSON.',
        ),
        follow: ResultQuery.shape.follow.describe(
          '`true`: answers at once, gives the rows in input order as they are finished, and ends with the task. NDJSON and CSV only.',
        ),
      }),
      header: WAIT,
    },
    responses: {
      200: {
        description: 'The result of a finished task, a page of its rows, or the task as it stands.',
        headers: z.object({
          'Retry-After': RETRY_AFTER.optional(),
          'Preference-Applied': PREFERENCE_APPLIED,
        }),
        content: {
          [JSON_TYPE]: { schema: z.union([result, page, Task]) },
          [NDJSON_TYPE]: { schema: z.string(), example: lines },
          [CSV_TYPE]: { schema: z.string(), example: `${CSV_HEADER}0,a,0,,\r\n` },
          [ARROW_TYPE]: { schema: BYTES },
        },
      },
      202: {
        description: 'Unfinished, to a client that did not ask for JSON: the task as it stands.',
        headers: z.object({ 'Retry-After': RETRY_AFTER, 'Preference-Applied': PREFERENCE_APPLIED }),
        content: { [JSON_TYPE]: { schema: Task } },
      },
      ...problemResponses(
        'conflicting_parameter',
        'invalid_parameter',
        'not_acceptable',
        'not_found',
        'result_expired',
        'task_erased',
        'task_lost',
        'unknown_parameter',
        'unknown_task',
      ),
    },
  };
}

export function cancel(): ZodOpenApiOperationObject {
  return {
    operationId: 'cancel',
    tags: ['Batches'],
    summary: 'Cancel a task',
    description:
      'What is not done is not computed any more; what is done stays readable. Cancelling a task that has ended changes nothing.',
    requestParams: { path: z.object({ id: Task.shape.task_id.describe('The `task_id`.') }) },
    responses: {
      200: { description: 'The task as it stands.', content: { [JSON_TYPE]: { schema: Task } } },
      ...problemResponses(
        'result_expired',
        'task_erased',
        'task_lost',
        'not_found',
        'unknown_parameter',
        'unknown_task',
      ),
    },
  };
}

/** @param result of a finished task */
export function retry(result: z.ZodType): ZodOpenApiOperationObject {
  return {
    operationId: 'retry',
    tags: ['Batches'],
    summary: 'Retry the rows that failed, expired or were cancelled',
    description:
      'Makes a task of those rows of a finished task. Once it has finished, the result of the first task shows their new outcomes. Asking again while it is unfinished gives the same task; asking when it has finished retries what is left.',
    requestParams: {
      path: z.object({ id: Task.shape.task_id.describe('The `task_id` of the first task, or of a retry.') }),
      query: z.object({
        expires_in: SubmitOptions.shape.expires_in.describe(
          'Seconds. Rows that have no prediction by then are `expired` and are not computed.',
        ),
      }),
      header: WAIT,
    },
    responses: {
      202: {
        description: 'The retry, as it stands.',
        headers: z.object({
          Location: z.string().describe('Where its own result will be.'),
          'Retry-After': RETRY_AFTER,
          'Preference-Applied': PREFERENCE_APPLIED,
        }),
        content: { [JSON_TYPE]: { schema: Task } },
      },
      200: {
        description: 'With `Prefer: wait`: the retry has finished by now, and this is its result.',
        headers: z.object({ Location: z.string(), 'Preference-Applied': PREFERENCE_APPLIED }),
        content: { [JSON_TYPE]: { schema: z.union([result, Task]) } },
      },
      ...problemResponses(
        'invalid_parameter',
        'not_found',
        'nothing_to_retry',
        'overloaded',
        'result_expired',
        'task_ended',
        'task_erased',
        'task_lost',
        'task_unfinished',
        'too_many_retries',
        'too_much_in_flight',
        'unknown_model',
        'unknown_parameter',
        'unknown_task',
        'upload_interrupted',
      ),
    },
  };
}

export function erase(): ZodOpenApiOperationObject {
  return {
    operationId: 'erase',
    tags: ['Batches'],
    summary: 'Erase a task',
    description:
      'Cancels it, and removes its rows and results at once, with those of its retries; the ids then answer 410.',
    requestParams: { path: z.object({ id: Task.shape.task_id.describe('The `task_id`.') }) },
    responses: {
      204: { description: 'Nothing of its rows and results is left.' },
      ...problemResponses('not_found', 'result_expired', 'task_lost', 'unknown_parameter', 'unknown_task'),
    },
  };
}
