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

/** Those of a server may hold a whole value. */
const MESSAGE_CHARACTERS = 1024;

/** The message is meant for the person who made the schedule; one that is longer than 1,024 characters is cut. */
export class RunError extends Error {
  override readonly name = 'RunError';

  /** @param isTransient false when trying again cannot help */
  constructor(
    readonly code: RunErrorCode,
    message: string,
    readonly isTransient: boolean,
    options?: ErrorOptions,
  ) {
    super(
      message.length > MESSAGE_CHARACTERS ? `${message.slice(0, MESSAGE_CHARACTERS - 1)}…` : message,
      options,
    );
  }
}
