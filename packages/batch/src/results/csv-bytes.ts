/** The stored lines of a chunk as CSV, in bytes: texts are copied; lines with escapes that CSV does not know are parsed. */
import { standsAt } from '../stands-at.js';
import { ByteWriter } from './byte-writer.js';
import { toCsvLine } from './csv-line.js';
import type { ResultRow } from './read-chunk.js';

const UTF8 = new TextEncoder();
const UTF8_TEXT = new TextDecoder();
const LF = 0x0a;
const QUOTE = 0x22;
const COMMA = 0x2c;
const OPEN_ARRAY = 0x5b;
const BACKSLASH = 0x5c;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;
const ROW_KEY = UTF8.encode('{"row":');
const ID_KEY = UTF8.encode(',"id":');
const PREDICTION_TEXT = ',"prediction":';
const PREDICTION_KEY = UTF8.encode(PREDICTION_TEXT);
const CODE_KEY = UTF8.encode(',"error":{"code":');
const MESSAGE_KEY = UTF8.encode(',"message":');
const LINE_END = UTF8.encode('\r\n');
const NO_ERROR = UTF8.encode(',,\r\n');

/** @param lines whole lines of NDJSON, as `encodeChunk` has made them */
export function csvOfLines(lines: Uint8Array): Uint8Array {
  const out = new ByteWriter(lines.length);
  for (let start = 0; start < lines.length; ) {
    const end = lines.indexOf(LF, start);
    const before = out.length;
    if (!writeCopied(lines, start, end, out)) {
      out.truncate(before);
      out.text(parsedLine(UTF8_TEXT.decode(lines.subarray(start, end))));
    }
    start = end + 1;
  }
  return out.written();
}

/** False, with nothing of meaning written, for a line with a text that JSON spells with other escapes than `\"`. */
function writeCopied(lines: Uint8Array, start: number, end: number, out: ByteWriter): boolean {
  let at = writeScalar(lines, start + ROW_KEY.length, out);
  out.byte(COMMA);
  if (standsAt(ID_KEY, lines, at)) at = writeScalar(lines, at + ID_KEY.length, out);
  if (at === -1) return false;
  out.byte(COMMA);
  if (standsAt(PREDICTION_KEY, lines, at)) {
    at += PREDICTION_KEY.length;
    const isList = lines[at] === OPEN_ARRAY || lines[at] === OPEN_OBJECT;
    at = isList ? writeList(lines, at, end - 1, out) : writeScalar(lines, at, out);
    out.append(NO_ERROR);
    return at === end - 1;
  }
  out.byte(COMMA);
  at = writeString(lines, at + CODE_KEY.length, out);
  if (at === -1) return false;
  out.byte(COMMA);
  at = writeString(lines, at + MESSAGE_KEY.length, out);
  out.append(LINE_END);
  return at === end - 2;
}

/** Writes a number, or what a string spells. @returns the place behind it; -1 when it has other escapes */
function writeScalar(lines: Uint8Array, start: number, out: ByteWriter): number {
  if (lines[start] === QUOTE) return writeString(lines, start, out);
  let end = start;
  while (end < lines.length && lines[end] !== COMMA && lines[end] !== CLOSE_OBJECT) end++;
  out.append(lines, start, end);
  return end;
}

/** Writes what a string spells, in quotes where it needs them. @returns as `writeScalar` */
function writeString(lines: Uint8Array, start: number, out: ByteWriter): number {
  let isPlain = true;
  let end = start + 1;
  for (; end < lines.length && lines[end] !== QUOTE; end++) {
    if (lines[end] === COMMA) isPlain = false;
    if (lines[end] !== BACKSLASH) continue;
    end++;
    if (lines[end] !== QUOTE) return -1;
    isPlain = false;
  }
  if (isPlain) out.append(lines, start + 1, end);
  else {
    out.byte(QUOTE);
    // Both escape a quote by one byte before it.
    for (let at = start + 1; at < end; at++)
      out.byte(lines[at] === BACKSLASH ? QUOTE : (lines[at] as number));
    out.byte(QUOTE);
  }
  return end + 1;
}

/** Writes a list or an object, in quotes where it needs them. @returns the place behind it */
function writeList(lines: Uint8Array, start: number, end: number, out: ByteWriter): number {
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

/** The prediction is cut out as it was printed: parsed, large integers would lose digits. */
function parsedLine(line: string): string {
  const key = line.indexOf(PREDICTION_TEXT);
  if (key === -1) return toCsvLine(JSON.parse(line) as ResultRow);
  const head = JSON.parse(`${line.slice(0, key)}}`) as ResultRow;
  return toCsvLine({ ...head, prediction: line.slice(key + PREDICTION_TEXT.length, -1) });
}
