/** What an error of an S3 server, or of the way to it, means for a run. */
import { NoSuchUpload, S3ServiceException } from '@aws-sdk/client-s3';

/**
 * `not_found`: no such object or bucket. `not_allowed`: the keys or the rights are wrong. `refused`: the same will be
 * refused again. `unavailable`: another attempt may succeed.
 */
export type Failure = 'not_found' | 'not_allowed' | 'refused' | 'unavailable';

/** Statuses of requests that are right in themselves: timeout, conflict, changed since, too early, too many. */
const ABOUT_THE_MOMENT = new Set([408, 409, 412, 425, 429]);
const NOT_IMPLEMENTED = 501;

export function failureOf(error: unknown): Failure {
  const status = statusOf(error);
  // Another attempt of the same run has ended it.
  if (error instanceof NoSuchUpload) return 'unavailable';
  if (status === 404) return 'not_found';
  if (status === 401 || status === 403) return 'not_allowed';
  if (status === NOT_IMPLEMENTED) return 'refused';
  if (status === undefined || status >= 500 || ABOUT_THE_MOMENT.has(status)) return 'unavailable';
  // What a server answers as 400 when the body came too slowly, or broke off.
  if (error instanceof S3ServiceException && ['RequestTimeout', 'IncompleteBody'].includes(error.name)) {
    return 'unavailable';
  }
  return 'refused';
}

/** The server's words; answers to HEAD have none. */
export function messageOf(error: unknown): string {
  if (error instanceof S3ServiceException) {
    const status = statusOf(error);
    const isNamed =
      error.name !== 'Unknown' && error.name !== 'UnknownError' && error.name !== String(status);
    return isNamed ? `${error.name}: ${error.message}` : `status ${status}`;
  }
  const { message, code } = error as NodeJS.ErrnoException;
  // Where a host has several addresses and none answers, only the code says why.
  return message === '' ? (code ?? 'no reason is known') : message;
}

function statusOf(error: unknown): number | undefined {
  return error instanceof S3ServiceException ? error.$metadata.httpStatusCode : undefined;
}
