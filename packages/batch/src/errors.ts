/** The one error class of the platform and its closed set of codes. Nothing here knows HTTP: the API maps a code to a status. */

/** A whole request is refused. */
export const REQUEST_CODES = [
  'body_too_large',
  'conflicting_parameter',
  'duplicate_column',
  'empty_batch',
  'idempotency_key_in_use',
  'idempotency_key_reused',
  'internal',
  'invalid_body',
  'invalid_idempotency_key',
  'invalid_logical_date',
  'invalid_parameter',
  'invalid_range',
  'invalid_rows',
  'invalid_schedule',
  'malformed_body',
  'malformed_encoding',
  'malformed_header',
  'method_not_allowed',
  'missing_column',
  'model_required',
  'not_acceptable',
  'not_found',
  'nothing_to_retry',
  'overloaded',
  'record_batch_too_large',
  'result_expired',
  'row_too_large',
  'run_exists',
  'schedule_exists',
  'schedule_from_file',
  'store_unavailable',
  'task_ended',
  'task_erased',
  'task_lost',
  'task_unfinished',
  'too_many_retries',
  'too_many_rows',
  'too_many_runs',
  'too_many_schedules',
  'too_much_in_flight',
  'unauthorized',
  'unknown_column',
  'unknown_model',
  'unknown_parameter',
  'unknown_run',
  'unknown_schedule',
  'unknown_task',
  'unsupported_encoding',
  'unsupported_media_type',
  'upload_aborted',
  'upload_interrupted',
  'upload_timeout',
  'wrong_column_type',
] as const;
export type RequestCode = (typeof REQUEST_CODES)[number];

/** One row has no prediction. The first group is the sender's to mend (`invalid`), the second is ours or the model's (`failed`). */
export const INVALID_ROW_CODES = [
  'invalid_id',
  'invalid_utf8',
  'malformed_csv',
  'malformed_json',
  'missing_feature',
  'out_of_range',
  'unknown_category',
  'unknown_feature',
  'wrong_length',
  'wrong_row_type',
  'wrong_type',
] as const;
/** A row was not computed: its task ended before its turn. */
export const HALTED_ROW_CODES = ['cancelled', 'expired'] as const;
export const HALTED_MESSAGES: Record<(typeof HALTED_ROW_CODES)[number], string> = {
  cancelled: 'the task was cancelled before this row was predicted',
  expired: 'the task expired before this row was predicted',
};
export const FAILED_ROW_CODES = [
  'inference_failed',
  'input_lost',
  'non_finite_output',
  'timeout',
  'worker_lost',
] as const;
export type RowCode =
  | (typeof INVALID_ROW_CODES)[number]
  | (typeof FAILED_ROW_CODES)[number]
  | (typeof HALTED_ROW_CODES)[number];

const INVALID = new Set<string>(INVALID_ROW_CODES);

/** Which ledger entry a worker counts a row with this code under. Halted rows are counted by what ends their task. */
export function outcomeOf(code: RowCode): 'invalid' | 'failed' {
  return INVALID.has(code) ? 'invalid' : 'failed';
}

/** The client's own name for a row, carried from the input to the result. */
export type RowId = string | number;

/** Rows that an answer about bad rows lists; the others are only counted. */
export const LISTED_ROWS_MAX = 100;

/** Why one row has no prediction. `row` counts from 0 over the whole task. */
export interface RowError {
  row: number;
  id?: RowId;
  code: RowCode;
  message: string;
}

/** A refusal with a stable code; `details` are further members of the answer. */
export class BatchError extends Error {
  override readonly name = 'BatchError';

  constructor(
    readonly code: RequestCode,
    message: string,
    readonly details: Readonly<Record<string, unknown>> = {},
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}
