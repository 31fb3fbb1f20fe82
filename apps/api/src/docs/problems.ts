/** What each code of a refusal means, and the refusals of an operation as responses: by status, each with its closed list of codes. */
import { STATUS_CODES } from 'node:http';
import { INVALID_ROW_CODES, REQUEST_CODES, type RequestCode } from '@millrace/batch/errors';
import { z } from 'zod';
import type { ZodOpenApiResponsesObject } from 'zod-openapi';
import { STATUS } from '../problem.js';

const MEANING: Record<RequestCode, string> = {
  body_too_large: 'the body is beyond the limit for its format, or inflates to many times its size',
  conflicting_parameter: 'query and body say different things, or two parameters do not go together',
  duplicate_column: 'the CSV header or the schema has a column twice',
  empty_batch: 'there is no row',
  idempotency_key_in_use:
    'another request with this `Idempotency-Key` is under way, or has taken it over; `Retry-After` says when to ask again',
  idempotency_key_reused: 'this `Idempotency-Key` was used for another request',
  internal: 'a fault of ours; the log has it under the request id',
  invalid_body:
    'JSON, but neither a list of rows nor an object with `inputs`, or no object where one is wanted, or nested too deep',
  invalid_idempotency_key: '`Idempotency-Key` is no key',
  invalid_logical_date:
    'no date of this schedule; the message has the form that it must have, or the nearest ones',
  invalid_parameter: 'a parameter has a value that is none of its values',
  invalid_range: '`from` or `to` is no day, or they are the wrong way round',
  invalid_rows:
    'rows that cannot be predicted: `errors` lists the first 100 of them, `invalid_rows` counts them',
  invalid_schedule:
    'the schedule is not right: `problems` has every field that is wrong, and what would be right',
  malformed_body: 'not JSON, not UTF-8, no whole Arrow IPC stream, or no Parquet that can be read',
  malformed_encoding: 'not gzip, or cut short',
  malformed_header: 'the CSV header has broken quotes or is not UTF-8',
  method_not_allowed: 'the path does not take this method; `Allow` says which it takes',
  missing_column: 'the CSV header or the schema lacks a feature',
  model_required: 'no model was named; `models` lists them',
  not_acceptable: 'no format that `Accept` names',
  not_found: 'no such path',
  nothing_to_retry: 'no row of the task failed, expired or was cancelled',
  overloaded:
    'there is too much in flight, or the store is nearly full; nothing was accepted; `Retry-After` says when to try again',
  record_batch_too_large:
    'a record batch of an Arrow stream, its metadata or its dictionaries are larger than the limit (`limit_bytes`)',
  result_expired: 'the task was there, its results are no longer',
  row_too_large: 'a line, a record or a row of columns (`row`) is longer than the limit (`limit_bytes`)',
  run_exists: 'there is a run of this date: it is under way, or `force` is needed to make it once more',
  schedule_exists: 'there is a schedule of this name, yours or another client’s',
  schedule_from_file: 'the schedule comes from a file, which wins over requests: change the file',
  task_ended:
    'the task was cancelled or erased, or its expires_in passed, while its rows were being received',
  task_erased: 'the task was there; it was erased',
  task_lost: 'the task was accepted, and the service has lost it since: submit its rows again',
  task_unfinished: 'the task has not ended; its rows can be retried once it has',
  too_many_retries: 'the rows of the task have been retried as often as they may be',
  store_unavailable: 'the service cannot take or give anything now; `Retry-After` says when to try again',
  too_many_rows:
    'more rows than the model allows one task, or than are checked in one request; `limit_rows` says how many',
  too_many_runs: 'more runs than one request may make, or than may wait; `limit_runs` says how many',
  too_many_schedules: 'there are as many schedules as there may be',
  too_much_in_flight:
    'this client has too many rows or bytes in flight; nothing was accepted; `Retry-After` says when to try again',
  unauthorized: 'no key, or an unknown one',
  unknown_column: 'the CSV header or the schema has a column that is no feature',
  unknown_model: 'no worker has served it; `models` lists those that are',
  unknown_parameter: 'there is no such parameter; misspelt, most likely',
  unknown_run: 'the schedule has no run of this date, or it is forgotten',
  unknown_schedule: 'no schedule of this name, or not yours',
  unknown_task: 'no task with this id, or not yours',
  unsupported_encoding: 'only gzip; record batches of an Arrow stream plain',
  unsupported_media_type:
    'only JSON, NDJSON and CSV in UTF-8, Arrow streams and Parquet; of schedules only JSON',
  upload_aborted:
    'on a failed task: its client went away, or the process that received it ended or fell silent',
  upload_interrupted:
    'the service was interrupted while it received the rows; nothing was accepted; `Retry-After` says when to send them again',
  upload_timeout: 'nothing was received for a while',
  wrong_column_type:
    'a column of Arrow or Parquet (`column`) is of a type (`column_type`) that its feature cannot be',
};

/** RFC 9457. The members after `request_id` come with some codes only. */
export const Problem = z
  .object({
    type: z.string().describe('`urn:millrace:problem:` and the code.'),
    title: z.string(),
    status: z.int(),
    code: z.enum(REQUEST_CODES).describe('Stable; the other members are for people.'),
    detail: z.string(),
    request_id: z.string().describe('As in `X-Request-Id`; the log has it.'),
    parameter: z.string().optional(),
    features: z.array(z.string()).optional(),
    models: z.array(z.string()).optional().describe('The versions that are offered.'),
    limit_bytes: z.int().optional(),
    limit_ratio: z.int().optional().describe('Of the inflated body to what was sent.'),
    limit_rows: z.int().optional(),
    row: z.int().optional().describe('The row that is too long, counted from 0.'),
    column: z.string().optional(),
    column_type: z.string().optional().describe('What the column is, as pyarrow prints it.'),
    limit_runs: z.int().optional(),
    runs: z.int().optional().describe('Dates in the range, counted up to 10,000.'),
    in_flight_bytes: z.int().optional(),
    in_flight_rows: z.int().optional(),
    erased_at: z.string().meta({ format: 'date-time' }).optional(),
    expired_at: z.string().meta({ format: 'date-time' }).optional(),
    problems: z
      .array(z.object({ field: z.string().describe('Such as `sink.format`.'), message: z.string() }))
      .optional()
      .describe('What is wrong with a schedule, field by field.'),
    invalid_rows: z.int().optional().describe('How many rows are wrong.'),
    errors: z
      .array(
        z.object({
          row: z.int().describe('Counts from 0.'),
          pointer: z.string().optional().describe('JSON pointer (RFC 6901) into the body; JSON only.'),
          code: z.enum(INVALID_ROW_CODES),
          message: z.string(),
        }),
      )
      .optional(),
  })
  .meta({ description: Object.entries(MEANING).map(codeLine).join('\n') });

/** Any operation behind the key may answer with these. */
const EVERYWHERE: readonly RequestCode[] = ['internal', 'store_unavailable', 'unauthorized'];

/** One response per status that the codes, and those of every operation, have. */
export function problemResponses(...codes: RequestCode[]): ZodOpenApiResponsesObject {
  const all = [...codes, ...EVERYWHERE].sort();
  const statuses = [...new Set(all.map((code) => STATUS[code]))].sort();
  return Object.fromEntries(
    statuses.map((status) => {
      const found = all.filter((code) => STATUS[code] === status);
      const schema = z.intersection(Problem, z.object({ status: z.literal(status), code: z.enum(found) }));
      const description = found.map((code) => codeLine([code, MEANING[code]])).join('\n');
      const content = { 'application/problem+json': { schema, example: exampleOf(found[0] as RequestCode) } };
      return [
        status,
        { description: `${STATUS_CODES[status]}\n\n${description}`, content, ...headersOf(status) },
      ];
    }),
  );
}

function exampleOf(code: RequestCode): z.infer<typeof Problem> {
  return {
    type: `urn:millrace:problem:${code}`,
    title: STATUS_CODES[STATUS[code]] as string,
    status: STATUS[code],
    code,
    detail: MEANING[code],
    request_id: '0ec311f6-7c55-438e-907d-ac5f2e998b98',
  };
}

function headersOf(status: number) {
  if (status === 401) return { headers: z.object({ 'WWW-Authenticate': z.literal('Bearer') }) };
  const retry = z.string().optional().describe('Seconds; with `idempotency_key_in_use`.');
  if (status === 409) return { headers: z.object({ 'Retry-After': retry }) };
  return status === 503 || status === 429
    ? { headers: z.object({ 'Retry-After': z.string().describe('Seconds.') }) }
    : {};
}

function codeLine([code, meaning]: [string, string]): string {
  return `- \`${code}\`: ${meaning}`;
}
