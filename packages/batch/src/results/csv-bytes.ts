/** The stored lines of a chunk as CSV, in bytes: what stands in CSV as it does in JSON is copied, other lines are parsed. */
import type { RowError, RowId } from '../errors.js';
import { ByteWriter } from './byte-writer.js';
import { toCsvLine } from './csv-line.js';

const UTF8 = new TextDecoder();
const ASCII = new TextEncoder();
const LF = 0x0a;
const SPACE = 0x20;
const QUOTE = 0x22;
const COMMA = 0x2c;
const OPEN_ARRAY = 0x5b;
const OPEN_OBJECT = 0x7b;
const ROW_KEY = ASCII.encode('{"row":');
const ID_KEY = ASCII.encode(',"id":');
const PREDICTION_TEXT = ',"prediction":';
const PREDICTION_KEY = ASCII.encode(PREDICTION_TEXT);
const NO_ERROR = ASCII.encode(',,\r\n');

/** Bytes of a JSON value that say no more than themselves, neither in JSON nor in CSV. */
const PLAIN = Uint8Array.from({ length: 256 }, (_, byte) => (byte >= SPACE ? 1 : 0));
for (const byte of ASCII.encode('",\\}')) PLAIN[byte] = 0;

/** @param lines whole lines of NDJSON, as `encodeChunk` has made them */
export function csvOfLines(lines: Uint8Array): Uint8Array {
  const out = new ByteWriter(lines.length);
  for (let start = 0; start < lines.length; ) {
    const end = lines.indexOf(LF, start);
    const before = out.length;
    if (!writeCopied(lines, start, end, out)) {
      out.truncate(before);
      out.text(parsedLine(UTF8.decode(lines.subarray(start, end))));
    }
    start = end + 1;
  }
  return out.written();
}

/** False, with nothing of meaning written, for an error, and for texts that are spelled otherwise in CSV. */
function writeCopied(lines: Uint8Array, start: number, end: number, out: ByteWriter): boolean {
  let at = writePlain(lines, start + ROW_KEY.length, out);
  out.byte(COMMA);
  if (standsAt(ID_KEY, lines, at)) at = writePlain(lines, at + ID_KEY.length, out);
  if (!standsAt(PREDICTION_KEY, lines, at)) return false;
  out.byte(COMMA);
  const prediction = at + PREDICTION_KEY.length;
  const isList = lines[prediction] === OPEN_ARRAY || lines[prediction] === OPEN_OBJECT;
  const behind = isList ? writeQuoted(lines, prediction, end - 1, out) : writePlain(lines, prediction, out);
  out.append(NO_ERROR);
  return behind === end - 1;
}

/** Writes a number, or what a string spells. @returns the place behind it; -1 when it is not plain */
function writePlain(lines: Uint8Array, start: number, out: ByteWriter): number {
  const isString = lines[start] === QUOTE;
  const first = isString ? start + 1 : start;
  let end = first;
  while (PLAIN[lines[end] as number] === 1) end++;
  out.append(lines, first, end);
  if (!isString) return end;
  return lines[end] === QUOTE ? end + 1 : -1;
}

/** Writes a list or an object, in quotes where it needs them. @returns the place behind it */
function writeQuoted(lines: Uint8Array, start: number, end: number, out: ByteWriter): number {
  let isPlain = true;
  for (let at = start; at < end && isPlain; at++) isPlain = lines[at] !== QUOTE && lines[at] !== COMMA;
  if (isPlain) {
    out.append(lines, start, end);
    return end;
  }
  out.byte(QUOTE);
  for (let at = start; at < end; at++) {
    const byte = lines[at] as number;
    if (byte === QUOTE) out.byte(QUOTE);
    out.byte(byte);
  }
  out.byte(QUOTE);
  return end;
}

function standsAt(literal: Uint8Array, bytes: Uint8Array, start: number): boolean {
  for (let at = 0; at < literal.length; at++) if (bytes[start + at] !== literal[at]) return false;
  return true;
}

interface Line {
  row: number;
  id?: RowId;
  error?: Pick<RowError, 'code' | 'message'>;
}

/** The prediction is cut out as it was printed: parsed, large integers would lose digits. */
function parsedLine(line: string): string {
  const key = line.indexOf(PREDICTION_TEXT);
  const head = key === -1 ? line : `${line.slice(0, key)}}`;
  const { row, id, error } = JSON.parse(head) as Line;
  if (key !== -1) return toCsvLine({ row, id, prediction: line.slice(key + PREDICTION_TEXT.length, -1) });
  return toCsvLine({ row, id, ...(error === undefined ? {} : { error: { row, ...error } }) });
}
