/** What a client can ask of a submission, in the query or, for JSON, in the body. */
import { BatchError } from '@millrace/batch/errors';
import { z } from 'zod';

/** As long as the rows of an unfinished task are kept. */
const EXPIRES_IN_MAX = 7 * 86_400;

export const SubmitOptions = z.object({
  /** `iris`, the highest version, or `iris@2`. */
  model: z.string('must be one model').min(1, 'is empty').max(200, 'is too long').optional(),
  /** `reject` refuses the request when a row is bad; `report` predicts the others and reports the bad ones. */
  on_invalid: z.enum(['reject', 'report'], 'must be reject or report').optional(),
  /** Seconds; what is not done by then is expired and not computed. A number in a body, its digits in a query. */
  expires_in: z
    .union(
      [
        z.int(),
        z
          .string()
          .regex(/^\d{1,9}$/)
          .transform(Number),
      ],
      'must be a whole number of seconds',
    )
    .pipe(
      z
        .number()
        .min(1, 'must be at least 1 second')
        .max(EXPIRES_IN_MAX, `must be at most ${EXPIRES_IN_MAX} seconds`),
    )
    .optional(),
});
export type SubmitOptions = z.infer<typeof SubmitOptions>;

/** What a client can ask for in the query. */
export const SubmitQuery = SubmitOptions.extend({
  /** `true` checks the rows and keeps nothing of them. */
  validate_only: z.enum(['true', 'false'], 'must be true or false').optional(),
});
export type SubmitQuery = z.infer<typeof SubmitQuery>;

/** The part of the query that bears on the result. */
export function resultOptions({ validate_only: _, ...options }: SubmitQuery): SubmitOptions {
  return options;
}

/** @throws BatchError `conflicting_parameter` when query and body disagree */
export function mergeOptions(query: SubmitOptions, body: SubmitOptions): SubmitOptions {
  for (const name of ['model', 'on_invalid', 'expires_in'] as const) {
    if (query[name] !== undefined && body[name] !== undefined && query[name] !== body[name]) {
      throw new BatchError(
        'conflicting_parameter',
        `the query says ${name}=${query[name]}, the body says ${JSON.stringify(body[name])}`,
      );
    }
  }
  return { ...query, ...body };
}
