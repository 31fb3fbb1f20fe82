/** Reads the body of a request that is a JSON object: small, and by members. */
import { BatchError } from '@millrace/batch/errors';
import { describe } from '@millrace/batch/rows/describe';
import type { Request } from 'express';
import { mediaType, readBody, unsupported } from '../submit/body.js';
import { parseJson } from '../submit/json-body.js';
import type { ScheduleDeps } from './schedule-deps.js';

export const BODY_BYTES_MAX = 64 * 1024;

const JSON_TYPE = 'application/json';
/** RFC 7396. */
export const MERGE_PATCH_TYPE = 'application/merge-patch+json';

export type JsonObject = Record<string, unknown>;

/**
 * @param types that are taken
 * @throws BatchError `unsupported_media_type`, `malformed_body`, `invalid_body`, or what reading meets
 */
export async function readObject(
  { limits }: Pick<ScheduleDeps, 'limits'>,
  request: Request,
  types: readonly string[] = [JSON_TYPE],
): Promise<JsonObject> {
  const type = mediaType(request);
  if (!types.includes(type)) throw unsupported(types.join(' or '), type);
  return objectOf(await readWhole(limits, request));
}

/** The same of a body that may be left out, which is an object without members. */
export async function readOptionalObject(
  deps: Pick<ScheduleDeps, 'limits'>,
  request: Request,
): Promise<JsonObject> {
  const hasBody =
    request.get('transfer-encoding') !== undefined || Number(request.get('content-length') ?? 0) > 0;
  return hasBody ? readObject(deps, request) : {};
}

/** For a patch, of which both types are the same. */
export function readPatch(deps: Pick<ScheduleDeps, 'limits'>, request: Request): Promise<JsonObject> {
  return readObject(deps, request, [MERGE_PATCH_TYPE, JSON_TYPE]);
}

async function readWhole(
  { maxGzipRatio, uploadIdleMs }: ScheduleDeps['limits'],
  request: Request,
): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  const limits = { maxBytes: BODY_BYTES_MAX, maxGzipRatio, idleMs: uploadIdleMs };
  for await (const piece of readBody(request, limits)) pieces.push(piece);
  return Buffer.concat(pieces);
}

function objectOf(bytes: Buffer): JsonObject {
  const value = parseJson(bytes);
  if (isObject(value)) return value;
  throw new BatchError('invalid_body', `the body must be a JSON object, not ${describe(value)}`);
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
