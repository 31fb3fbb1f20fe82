/** Reads a request's body as it comes: inflated, bounded in size, and never waiting for ever. */
import { createGunzip } from 'node:zlib';
import { BatchError } from '@millrace/batch/errors';
import type { Request } from 'express';

export type BodyFormat = 'json' | 'ndjson' | 'csv' | 'arrow' | 'parquet';

const FORMATS: ReadonlyMap<string, BodyFormat> = new Map([
  ['application/json', 'json'],
  ['application/x-ndjson', 'ndjson'],
  ['application/ndjson', 'ndjson'],
  ['application/jsonl', 'ndjson'],
  ['application/x-jsonlines', 'ndjson'],
  ['text/csv', 'csv'],
  ['application/vnd.apache.arrow.stream', 'arrow'],
  ['application/vnd.apache.parquet', 'parquet'],
  ['application/x-parquet', 'parquet'],
]);

const SENT_TYPES =
  'application/json, application/x-ndjson, text/csv, application/vnd.apache.arrow.stream or application/vnd.apache.parquet';

/** @throws BatchError `unsupported_media_type` */
export function bodyFormat(request: Request): BodyFormat {
  const type = mediaType(request);
  const format = FORMATS.get(type);
  if (format !== undefined) return format;
  throw unsupported(SENT_TYPES, type);
}

/** @param wanted the types to send instead, in words */
export function unsupported(wanted: string, type: string): BatchError {
  const given = type === '' ? 'a body without content-type' : type;
  return new BatchError('unsupported_media_type', `send ${wanted}, not ${given}`);
}

/** In lower case; empty when there is none. @throws BatchError `unsupported_media_type` unless the body is UTF-8 */
export function mediaType(request: Request): string {
  const [type = '', ...parameters] = (request.get('content-type') ?? '')
    .split(';')
    .map((part) => part.trim().toLowerCase());
  const charset = parameters
    .find((parameter) => parameter.startsWith('charset='))
    ?.slice(8)
    .replaceAll('"', '');
  if (charset !== undefined && charset !== 'utf-8' && charset !== 'utf8' && charset !== 'us-ascii') {
    throw new BatchError('unsupported_media_type', `the body must be UTF-8, not ${charset}`);
  }
  return type;
}

export interface BodyLimits {
  /** After inflating. */
  maxBytes: number;
  /** How many times its size a gzip body may inflate to. */
  maxGzipRatio: number;
  /** How long the client may send nothing. */
  idleMs: number;
  /** What to do about a body that is too large. */
  hint?: string;
}

/**
 * The pieces of the body. The request is left open when the reader stops early, so that an answer can be sent.
 * @throws BatchError `unsupported_encoding`, `malformed_encoding`, `body_too_large`, `upload_timeout`, `upload_aborted`
 */
export async function* readBody(request: Request, limits: BodyLimits): AsyncGenerator<Uint8Array> {
  const declared = Number(request.get('content-length') ?? 0);
  if (declared > limits.maxBytes) throw tooLarge(limits);
  const pieces = openBody(request);
  let total = 0;
  try {
    for (;;) {
      const piece = await nextWithin(pieces, limits.idleMs);
      if (piece === undefined) return;
      total += piece.length;
      if (total > limits.maxBytes) throw tooLarge(limits);
      const { gzipBytes } = pieces;
      if (gzipBytes !== undefined && total > RATIO_FREE_BYTES && total > limits.maxGzipRatio * gzipBytes()) {
        throw inflatesTooMuch(limits);
      }
      yield piece;
    }
  } catch (error) {
    throw bodyError(error, request);
  } finally {
    // Not awaited: an iterator that waits for a piece ends only with that piece.
    pieces.return?.().catch(() => {});
  }
}

/** So much may come of any gzip body: what does no harm in plain does none inflated. */
const RATIO_FREE_BYTES = 16 * 1024 * 1024;

interface Pieces {
  /** How many bytes the pieces so far were inflated from; absent when the body comes plain. */
  gzipBytes?(): number;
  next(): Promise<IteratorResult<Uint8Array>>;
  return?(): Promise<unknown>;
}

function openBody(request: Request): Pieces {
  const encoding = (request.get('content-encoding') ?? 'identity').toLowerCase();
  if (encoding === 'identity') return request.iterator({ destroyOnReturn: false }) as Pieces;
  if (encoding !== 'gzip' && encoding !== 'x-gzip') {
    throw new BatchError('unsupported_encoding', `send the body plain or with gzip, not ${encoding}`);
  }
  const gunzip = createGunzip();
  const giveUp = () => gunzip.destroy(new BatchError('upload_aborted', 'the client went away'));
  request.once('error', giveUp);
  request.pipe(gunzip);
  const pieces = gunzip.iterator() as Pieces;
  return {
    gzipBytes: () => gunzip.bytesWritten,
    next: () => pieces.next(),
    return: async () => {
      request.off('error', giveUp);
      request.unpipe(gunzip);
      gunzip.destroy();
    },
  };
}

async function nextWithin(pieces: Pieces, ms: number): Promise<Uint8Array | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new BatchError('upload_timeout', `nothing was received for ${ms} ms`)),
      ms,
    );
  });
  try {
    const { done, value } = await Promise.race([pieces.next(), timeout]);
    return done ? undefined : value;
  } finally {
    clearTimeout(timer);
  }
}

function tooLarge({ maxBytes, hint }: BodyLimits): BatchError {
  return new BatchError(
    'body_too_large',
    `the body is larger than ${maxBytes} bytes${hint === undefined ? '' : `; ${hint}`}`,
    {
      limit_bytes: maxBytes,
    },
  );
}

function inflatesTooMuch({ maxGzipRatio }: BodyLimits): BatchError {
  return new BatchError(
    'body_too_large',
    `the body inflates to more than ${maxGzipRatio} times its size; send it without gzip`,
    { limit_ratio: maxGzipRatio },
  );
}

function bodyError(error: unknown, request: Request): unknown {
  if (error instanceof BatchError) return error;
  if (request.destroyed && !request.complete) {
    return new BatchError('upload_aborted', 'the client went away', {}, { cause: error });
  }
  if ((error as NodeJS.ErrnoException).code?.startsWith('Z_')) {
    return new BatchError('malformed_encoding', 'the body is not valid gzip', {}, { cause: error });
  }
  return error;
}
