/** What an error of PostgreSQL, or of the way to it, means for a run. */
import { DatabaseError } from 'pg';

/**
 * `refused`: the same will be refused again. `not_allowed`: so it will until rights are granted or a password is mended.
 * `unavailable`: another attempt may succeed.
 */
export type Failure = 'refused' | 'not_allowed' | 'unavailable';

/** By the class of the SQLSTATE: connection, transaction rollback, resources, operator's intervention, system, internal. */
const UNAVAILABLE = new Set(['08', '40', '53', '57', '58', 'XX']);
/** Wrong password, no such database, a right that is missing. */
const NOT_ALLOWED = new Set(['28', '3D']);
const INSUFFICIENT_PRIVILEGE = '42501';
/** Parameters that the statement does not have, or lacks. */
const PROTOCOL_VIOLATION = '08P01';
/** A lock that was not free, a transaction left idle for too long: both are about the moment. */
const ABOUT_THE_MOMENT = new Set(['55P03', '25P03']);

export function failureOf(error: unknown): Failure {
  if (!(error instanceof DatabaseError) || error.code === undefined) return 'unavailable';
  if (ABOUT_THE_MOMENT.has(error.code)) return 'unavailable';
  if (error.code === PROTOCOL_VIOLATION) return 'refused';
  if (error.code === INSUFFICIENT_PRIVILEGE) return 'not_allowed';
  const group = error.code.slice(0, 2);
  if (NOT_ALLOWED.has(group)) return 'not_allowed';
  return UNAVAILABLE.has(group) ? 'unavailable' : 'refused';
}

/** The server's words and its hint, without its details, which quote rows. */
export function messageOf(error: unknown): string {
  if (error instanceof DatabaseError) return [error.message, error.hint].filter(Boolean).join('; ');
  const { message, code } = error as NodeJS.ErrnoException;
  // Where a host has several addresses and none answers, only the code says why.
  return message === '' ? (code ?? 'no reason is known') : message;
}
