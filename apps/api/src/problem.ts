/** Which HTTP status each code has, and how a refusal is written: problem details, RFC 9457. */
import { STATUS_CODES } from 'node:http';
import { BatchError, type RequestCode } from '@millrace/batch/errors';
import { errorFields, type Logger } from '@millrace/process/logger';
import { isOutage } from '@millrace/queue/outages';
import { ScheduleError } from '@millrace/schedule/schedule-error';
import type { ErrorRequestHandler, Request, Response } from 'express';
import { sendJson } from './send-json.js';

export const STATUS: Record<RequestCode, number> = {
  body_too_large: 413,
  conflicting_parameter: 400,
  duplicate_column: 400,
  empty_batch: 400,
  idempotency_key_in_use: 409,
  idempotency_key_reused: 422,
  internal: 500,
  invalid_body: 400,
  invalid_idempotency_key: 400,
  invalid_logical_date: 422,
  invalid_parameter: 400,
  invalid_range: 422,
  invalid_rows: 422,
  invalid_schedule: 422,
  malformed_body: 400,
  malformed_encoding: 400,
  malformed_header: 400,
  method_not_allowed: 405,
  missing_column: 400,
  model_required: 400,
  not_acceptable: 406,
  not_found: 404,
  nothing_to_retry: 409,
  overloaded: 503,
  record_batch_too_large: 413,
  result_expired: 410,
  row_too_large: 413,
  run_exists: 409,
  schedule_exists: 409,
  schedule_from_file: 409,
  store_unavailable: 503,
  task_ended: 409,
  task_erased: 410,
  task_lost: 410,
  task_unfinished: 409,
  too_many_retries: 409,
  too_many_rows: 413,
  too_many_runs: 422,
  too_many_schedules: 409,
  too_much_in_flight: 429,
  unauthorized: 401,
  unknown_column: 400,
  unknown_model: 404,
  unknown_parameter: 400,
  unknown_run: 404,
  unknown_schedule: 404,
  unknown_task: 404,
  unsupported_encoding: 415,
  unsupported_media_type: 415,
  upload_aborted: 400,
  upload_interrupted: 503,
  upload_timeout: 408,
  wrong_column_type: 422,
};

/** When a client does well to try again, in seconds. */
const RETRY_AFTER_SECONDS: Partial<Record<RequestCode, number>> = {
  idempotency_key_in_use: 1,
  overloaded: 5,
  store_unavailable: 2,
  too_much_in_flight: 5,
  upload_interrupted: 2,
};

/** How long the rest of a refused upload is read and thrown away, so that the client gets to read the answer. */
const LINGER_MS = 2_000;

/** The last handler: turns whatever was thrown into an answer. */
export function problemHandler(log: Logger): ErrorRequestHandler {
  return (thrown: unknown, request, response, _next) => {
    const error = asBatchError(thrown);
    const status = STATUS[error.code];
    const { requestId, taskId } = response.locals;
    const about = taskId === undefined ? {} : { task_id: taskId };
    const fields = { request_id: requestId, ...about, code: error.code };
    // An outage has its own line; one more for every request that meets it says nothing new.
    const level = error.code === 'internal' ? 'error' : 'debug';
    if (status >= 500) log.log(level, 'a request failed', { ...fields, ...errorFields(thrown) });
    if (request.socket.destroyed || response.headersSent) {
      log.info('a request broke off', fields);
      response.destroy();
      return;
    }
    sendProblem(response, error, status);
    if (!request.complete) linger(request);
  };
}

function sendProblem(response: Response, { code, message, details }: BatchError, status: number): void {
  const retryAfter = RETRY_AFTER_SECONDS[code];
  if (retryAfter !== undefined) response.set('Retry-After', String(retryAfter));
  if (status === 401) response.set('WWW-Authenticate', 'Bearer');
  const problem = {
    type: `urn:millrace:problem:${code}`,
    title: STATUS_CODES[status],
    status,
    code,
    detail: message,
    request_id: response.locals.requestId,
    ...details,
  };
  sendJson(response.status(status), problem, 'application/problem+json');
}

/** Reads on, for a while: a connection that is cut while the client still sends may cost it the answer. */
function linger(request: Request): void {
  request.resume();
  const { socket } = request;
  const timer = setTimeout(() => socket.destroy(), LINGER_MS);
  const forget = () => {
    clearTimeout(timer);
    request.off('end', forget);
    // The connection may serve many requests more.
    socket.off('close', forget);
  };
  request.once('end', forget);
  socket.once('close', forget);
}

function asBatchError(thrown: unknown): BatchError {
  if (thrown instanceof BatchError) return thrown;
  if (thrown instanceof ScheduleError) {
    const { code, message, problems } = thrown;
    return new BatchError(code, message, problems.length === 0 ? {} : { problems }, { cause: thrown });
  }
  if (isOutage(thrown)) {
    return new BatchError('store_unavailable', 'Redis cannot serve now; try again', {}, { cause: thrown });
  }
  if (thrown instanceof URIError) return new BatchError('not_found', 'the path is not well encoded');
  return new BatchError(
    'internal',
    'an unexpected error; the log has it under this request id',
    {},
    { cause: thrown },
  );
}
