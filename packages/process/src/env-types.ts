/** The kinds of values that environment variables spell. */
import { z } from 'zod';

/** A whole number within bounds, spelled in decimal. */
export const integer = (min: number, max: number, otherwise: number) =>
  z
    .string()
    .regex(/^\d+$/, `must be a whole number from ${min} to ${max}`)
    .transform(Number)
    .pipe(z.number().min(min, `must be at least ${min}`).max(max, `must be at most ${max}`))
    .default(otherwise);

/** `1` or `0`. */
export const flag = () =>
  z
    .enum(['0', '1'], 'must be 0 or 1')
    .default('0')
    .transform((value) => value === '1');

/** Settings that every process has. */
export const PROCESS_SETTINGS = {
  /** Prefix of every key in Redis, so that several platforms can share one. */
  KEY_PREFIX: z
    .string()
    .regex(/^[A-Za-z0-9_.-]{1,50}$/, 'must be 1 to 50 letters, digits, dots, dashes or underscores')
    .default('millrace'),
  /** How long results are kept, in seconds. */
  RESULT_TTL_SECONDS: integer(1, 365 * 86_400, 86_400),
  /** How long an upload, and its Idempotency-Key, is left alone after the API process that received it was killed. */
  UPLOAD_LEASE_MS: integer(100, 600_000, 15_000),
  LOG_LEVEL: z.enum(['error', 'warn', 'info', 'debug'], 'must be error, warn, info or debug').default('info'),
  LOG_FORMAT: z.enum(['json', 'pretty'], 'must be json or pretty').optional(),
};
