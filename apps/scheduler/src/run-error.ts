/** Why a run came to nothing, as a closed set of codes, and whether trying again can help. */

export const RUN_ERROR_CODES = [
  'sink_not_allowed',
  'sink_refused',
  'sink_unavailable',
  'source_malformed',
  'source_not_allowed',
  'source_not_found',
  'source_unreadable',
  'unknown_connection',
] as const;
export type RunErrorCode = (typeof RUN_ERROR_CODES)[number];

/** @property isTransient false when trying again cannot help */
export class RunError extends Error {
  override readonly name = 'RunError';

  constructor(
    readonly code: RunErrorCode,
    message: string,
    readonly isTransient: boolean,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}
