/** The one error class of the rules of schedules and its closed set of codes. Nothing here knows HTTP: the API maps a code to a status. */
import type { Problem } from '@millrace/batch/manifest/strict';

export const SCHEDULE_ERROR_CODES = ['invalid_schedule', 'invalid_logical_date', 'invalid_range'] as const;
export type ScheduleErrorCode = (typeof SCHEDULE_ERROR_CODES)[number];

/** A refusal with a stable code. `problems` says it field by field when it is about a schedule, and the message has all of them. */
export class ScheduleError extends Error {
  override readonly name = 'ScheduleError';

  constructor(
    readonly code: ScheduleErrorCode,
    message: string,
    readonly problems: readonly Problem[] = [],
  ) {
    super(message);
  }
}
