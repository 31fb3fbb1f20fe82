/** Reads an object of an S3-compatible server: as a stream, or by ranges for formats that jump about in it. */
import type { Readable } from 'node:stream';
import { GetObjectCommand, HeadObjectCommand, type S3Client } from '@aws-sdk/client-s3';
import type { Connections } from '../connections/connections.js';
import { RunError } from '../run-error.js';
import { failureOf, messageOf } from '../s3/failure.js';
import { boundIdle } from './idle-bound.js';

/** With its templates filled in. */
export interface S3Location {
  connection: string;
  bucket: string;
  key: string;
}

/** The bytes as they are stored. The key and the content type say what they are. */
export interface S3Object {
  key: string;
  contentType: string | undefined;
  bytes: AsyncIterable<Uint8Array>;
}

/** Random access to an object that stays the same while it is read. */
export interface S3Reader {
  byteLength: number;
  /** From `start` up to `end`, without it. */
  slice(start: number, end?: number): Promise<ArrayBuffer>;
}

interface Deps {
  connections: Connections;
  /** How long an object may send nothing. */
  idleMs?: number;
}

const IDLE_MS = 30_000;

/** @throws RunError `source_…`; so do its bytes */
export async function openS3Object(location: S3Location, deps: Deps, signal: AbortSignal): Promise<S3Object> {
  const client = deps.connections.s3(location.connection);
  const { bucket: Bucket, key: Key } = location;
  const answer = await naming(location, signal, () =>
    client.send(new GetObjectCommand({ Bucket, Key }), { abortSignal: signal }),
  );
  const body = answer.Body as Readable;
  return { key: Key, contentType: answer.ContentType, bytes: bodyBytes(body, location, deps, signal) };
}

/** @throws RunError `source_…`; so do its slices, also when the object is replaced while it is read */
export async function openS3Reader(location: S3Location, deps: Deps, signal: AbortSignal): Promise<S3Reader> {
  const client = deps.connections.s3(location.connection);
  const { bucket: Bucket, key: Key } = location;
  const head = await naming(location, signal, () =>
    client.send(new HeadObjectCommand({ Bucket, Key }), { abortSignal: signal }),
  );
  const byteLength = head.ContentLength ?? 0;
  return {
    byteLength,
    slice: (start, end = byteLength) =>
      readRange(client, location, { start, end: Math.min(end, byteLength), etag: head.ETag }, deps, signal),
  };
}

interface Range {
  start: number;
  end: number;
  etag: string | undefined;
}

async function readRange(
  client: S3Client,
  location: S3Location,
  { start, end, etag }: Range,
  deps: Deps,
  signal: AbortSignal,
): Promise<ArrayBuffer> {
  if (start >= end) return new ArrayBuffer(0);
  const command = new GetObjectCommand({
    Bucket: location.bucket,
    Key: location.key,
    Range: `bytes=${start}-${end - 1}`,
    IfMatch: etag,
  });
  const answer = await naming(location, signal, () => client.send(command, { abortSignal: signal }));
  const range = new Uint8Array(end - start);
  let length = 0;
  for await (const piece of bodyBytes(answer.Body as Readable, location, deps, signal)) {
    if (length + piece.length > range.length) throw unreadable(location, 'it sends more than was asked for');
    range.set(piece, length);
    length += piece.length;
  }
  if (length < range.length) throw unreadable(location, 'it sends less than was asked for');
  return range.buffer;
}

async function* bodyBytes(
  body: Readable,
  location: S3Location,
  { idleMs = IDLE_MS }: Deps,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const late = () => new Error(`nothing came for ${idleMs} ms`);
  try {
    yield* boundIdle(body, idleMs, late);
    // A stream that the abort has destroyed may look like one that has ended.
    signal.throwIfAborted();
  } catch (error) {
    signal.throwIfAborted();
    throw unreadable(location, messageOf(error), error);
  } finally {
    body.destroy();
  }
}

async function naming<Value>(
  location: S3Location,
  signal: AbortSignal,
  work: () => Promise<Value>,
): Promise<Value> {
  try {
    return await work();
  } catch (error) {
    signal.throwIfAborted();
    throw sourceError(location, error);
  }
}

function sourceError(location: S3Location, error: unknown): RunError {
  const { connection, bucket, key } = location;
  const options = { cause: error };
  switch (failureOf(error)) {
    case 'not_found':
      return new RunError(
        'source_not_found',
        `there is no object "${key}" in the bucket "${bucket}" of "${connection}"`,
        false,
        options,
      );
    case 'not_allowed':
      return new RunError(
        'source_not_allowed',
        `"${connection}" may not read "${key}" in the bucket "${bucket}": ${messageOf(error)}`,
        false,
        options,
      );
    case 'refused':
      return new RunError(
        'source_malformed',
        `"${connection}" refuses to read "${key}" in the bucket "${bucket}": ${messageOf(error)}`,
        false,
        options,
      );
    case 'unavailable':
      return unreadable(location, messageOf(error), error);
  }
}

function unreadable({ connection, bucket, key }: S3Location, reason: string, cause?: unknown): RunError {
  return new RunError(
    'source_unreadable',
    `"${key}" in the bucket "${bucket}" of "${connection}" could not be read: ${reason}`,
    true,
    { cause },
  );
}
