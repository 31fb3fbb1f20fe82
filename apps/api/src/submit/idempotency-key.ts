/** Reads the header `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header). */
import { BatchError } from '@millrace/batch/errors';
import type { Request } from 'express';

const LENGTH_MAX = 255;
/** A string of RFC 8941: printable ASCII in quotes, with `\"` and `\\`. */
const QUOTED = /^"((?:[ !#-[\]-~]|\\["\\])*)"$/;
/** The same without quotes, as most clients send it. A comma would be two headers, a semicolon a parameter. */
const BARE = /^[!#-+\--:<-[\]-~]+$/;

/** The client's key for this request, the same with and without quotes; undefined when it sends none. @throws BatchError `invalid_idempotency_key` */
export function idempotencyKey(request: Request): string | undefined {
  const header = request.get('idempotency-key');
  if (header === undefined) return undefined;
  const key = QUOTED.exec(header)?.[1]?.replace(/\\(["\\])/g, '$1') ?? (BARE.test(header) ? header : '');
  if (key.length >= 1 && key.length <= LENGTH_MAX) return key;
  throw new BatchError(
    'invalid_idempotency_key',
    `Idempotency-Key must be 1 to ${LENGTH_MAX} printable ASCII characters, in double quotes if there is a space, a comma, a semicolon, a quote or a backslash among them`,
  );
}
