/**
 * Inflates what is gzip and passes on what is not. That is told by the first two bytes, which no text begins with:
 * HTTP clients inflate by themselves what the server says it has deflated, whatever the name.
 */
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { RunError } from '../run-error.js';

const MAGIC = [0x1f, 0x8b];
const BYTE_ORDER_MARK = Buffer.from('\uFEFF');

/**
 * The text of a file in UTF-8, without the byte order mark that it may begin with.
 * @throws RunError `source_malformed` for broken gzip
 */
export async function* inflated(
  name: string,
  open: () => AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  const { head, pieces } = await begin(open());
  const isGzip = MAGIC.every((byte, index) => head[index] === byte);
  yield* withoutMark(isGzip ? gunzipped(name, pieces) : pieces);
}

async function* gunzipped(name: string, pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const gunzip = createGunzip();
  const done = pipeline(Readable.from(pieces), gunzip);
  // It is the reader below that meets a failure.
  done.catch(() => {});
  try {
    yield* gunzip;
  } catch (error) {
    if (!(error as NodeJS.ErrnoException).code?.startsWith('Z_')) throw error;
    const message = `${name} is not whole gzip: ${(error as Error).message}`;
    throw new RunError('source_malformed', message, false, { cause: error });
  } finally {
    await done.catch(() => {});
  }
}

async function* withoutMark(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const { head, pieces: all } = await begin(pieces);
  let skip = BYTE_ORDER_MARK.equals(head) ? BYTE_ORDER_MARK.length : 0;
  for await (const piece of all) {
    if (piece.length > skip) yield piece.subarray(skip);
    skip = Math.max(0, skip - piece.length);
  }
}

/** The first three bytes, and all pieces, those that were read for them included. */
async function begin(
  source: AsyncIterable<Uint8Array>,
): Promise<{ head: Uint8Array; pieces: AsyncGenerator<Uint8Array> }> {
  const iterator = source[Symbol.asyncIterator]();
  const read: Uint8Array[] = [];
  let bytes = 0;
  while (bytes < BYTE_ORDER_MARK.length) {
    const { done, value } = await iterator.next();
    if (done) break;
    read.push(value);
    bytes += value.length;
  }
  async function* pieces() {
    try {
      yield* read;
      for (;;) {
        const { done, value } = await iterator.next();
        if (done) return;
        yield value as Uint8Array;
      }
    } finally {
      await iterator.return?.();
    }
  }
  return { head: Buffer.concat(read).subarray(0, BYTE_ORDER_MARK.length), pieces: pieces() };
}
