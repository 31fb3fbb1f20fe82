/** What a run can fail of: a closed set of codes, and whether trying again can help. */

export const RUN_ERROR_CODES = [
  'source_not_found',
  'source_unreadable',
  'source_malformed',
  'source_not_allowed',
  'sink_unavailable',
  'sink_refused',
  'sink_not_allowed',
  'unknown_connection',
  'process_lost',
] as const;
export type RunErrorCode = (typeof RUN_ERROR_CODES)[number];

/** The message is meant for the person who made the schedule. */
export class RunError extends Error {
  override readonly name = 'RunError';

  /** @param isTransient false when trying again cannot help */
  constructor(
    readonly code: RunErrorCode,
    message: string,
    readonly isTransient: boolean,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}
