/** Ranges of what an HTTP server has: asked for one by one, or of a copy where the server does not give ranges. */
import { randomUUID } from 'node:crypto';
import { type FileHandle, open, unlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { RandomAccess } from '@millrace/parquet/random-access';
import { rangesOf } from '../files/regular-file.js';
import { RunError } from '../run-error.js';
import { shown } from './allowed-url.js';
import { type Answer, get, type HttpDeps } from './http-get.js';

/**
 * @param answer to a request for the whole; it is ended, or read
 * @throws RunError `source_unreadable`, as reading a range does
 */
export async function answerRanges(
  url: URL,
  answer: Answer,
  deps: HttpDeps,
  signal: AbortSignal,
): Promise<RandomAccess & { close?(): Promise<void> }> {
  const { headers } = answer;
  const byteLength = Number(headers.get('content-length') ?? Number.NaN);
  const givesRanges = headers.get('accept-ranges') === 'bytes' && !headers.has('content-encoding');
  if (!givesRanges || Number.isNaN(byteLength)) return copyOf(answer);
  answer.end();
  return {
    byteLength,
    async slice(start, end = byteLength) {
      if (end === start) return new ArrayBuffer(0);
      const part = await get(url, deps, signal, { first: start, last: end - 1 });
      const range = `bytes ${start}-${end - 1}/${byteLength}`;
      if (part.headers.get('content-range') !== range || isOther(part.headers, headers)) {
        part.end();
        throw new RunError('source_unreadable', `${shown(url)} has changed while it was read`, true);
      }
      return collect(url, part, end - start);
    },
  };
}

/** Nobody may put bytes of two versions together. */
function isOther(part: Headers, whole: Headers): boolean {
  return ['etag', 'last-modified'].some((name) => part.get(name) !== whole.get(name));
}

async function collect(url: URL, { bytes }: Answer, length: number): Promise<ArrayBuffer> {
  const all = new Uint8Array(length);
  let at = 0;
  for await (const piece of bytes) {
    if (at + piece.length > length) break;
    all.set(piece, at);
    at += piece.length;
  }
  if (at === length) return all.buffer;
  throw new RunError('source_unreadable', `${shown(url)} did not send the ${length} bytes of a range`, true);
}

/** In the system's temporary folder, under no name: it goes with the process, whatever becomes of that. */
async function copyOf(answer: Answer): Promise<RandomAccess & { close(): Promise<void> }> {
  const file = await openUnnamed();
  try {
    for await (const piece of answer.bytes) await file.writeFile(piece);
    return { ...(await rangesOf(file)), close: () => file.close() };
  } catch (error) {
    await file.close();
    throw error;
  }
}

async function openUnnamed(): Promise<FileHandle> {
  const path = join(tmpdir(), `millrace-source-${randomUUID()}`);
  const file = await open(path, 'wx+', 0o600);
  await unlink(path);
  return file;
}
