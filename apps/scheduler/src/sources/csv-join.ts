/** Joins CSV files that have the same header into one table, which has it once. */
import { isBlank, recordBorders } from '@millrace/batch/split/record-borders';
import { RunError } from '../run-error.js';
import type { NamedBytes } from './source-file.js';

const LF = 0x0a;
const HEADER_BYTES_MAX = 1024 * 1024;

/**
 * A file without any record is passed over; one file alone is passed on as it is.
 * @throws RunError `source_malformed`
 */
export async function* joinCsv(files: readonly NamedBytes[]): AsyncGenerator<Uint8Array> {
  const [only] = files;
  if (files.length === 1 && only !== undefined) {
    yield* only.bytes;
    return;
  }
  let first: Header | undefined;
  for (const file of files) {
    yield* recordsOf(file, (header) => {
      if (first !== undefined) checkSame(first, header);
      const isFirst = first === undefined;
      first ??= header;
      return isFirst;
    });
  }
}

interface Header {
  name: string;
  /** The names of the columns as they are written. */
  text: string;
}

/**
 * The records of one file, each ended by a line feed.
 * @param wantsHeader says whether the header is to stand before them
 */
async function* recordsOf(
  { name, bytes }: NamedBytes,
  wantsHeader: (header: Header) => boolean,
): AsyncGenerator<Uint8Array> {
  const borders = recordBorders('csv');
  let held = new Uint8Array(0);
  let isHeader = true;
  let lastByte = LF;
  const takeHeader = function* () {
    isHeader = false;
    const text = Buffer.from(held).toString().trim();
    if (wantsHeader({ name, text })) yield Buffer.from(`${text}\n`);
  };
  for await (const piece of bytes) {
    let start = 0;
    for (let at = 0; at !== -1 && at < piece.length; ) {
      const end = borders.next(piece, at);
      if (isHeader) {
        held = extendHeader(name, held, piece.subarray(start, end === -1 ? undefined : end));
        start = end === -1 ? piece.length : end;
        if (end !== -1 && !isBlank(held, 0, held.length)) yield* takeHeader();
      }
      at = end;
    }
    if (start < piece.length) yield piece.subarray(start);
    lastByte = piece.at(-1) ?? lastByte;
  }
  if (borders.next(Uint8Array.of(LF), 0) === -1) throw malformed(`${name} ends within an open quote`);
  if (isHeader && !isBlank(held, 0, held.length)) yield* takeHeader();
  else if (!isHeader && lastByte !== LF) yield Uint8Array.of(LF);
}

function extendHeader(name: string, held: Uint8Array, more: Uint8Array): Uint8Array<ArrayBuffer> {
  if (held.length + more.length > HEADER_BYTES_MAX) {
    throw malformed(`the header of ${name} is longer than ${HEADER_BYTES_MAX} bytes (is a quote left open?)`);
  }
  return new Uint8Array(Buffer.concat([held, more]));
}

function checkSame(first: Header, other: Header): void {
  if (first.text === other.text) return;
  const [one, two] = [first, other].map(({ text }) => (text.length > 200 ? `${text.slice(0, 200)}…` : text));
  throw malformed(
    `the CSV files have not the same header: ${first.name} has "${one}", ${other.name} has "${two}"`,
  );
}

function malformed(message: string): RunError {
  return new RunError('source_malformed', message, false);
}
