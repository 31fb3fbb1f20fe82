/** Makes lines of a JSON list of rows that are all good and written in one way: the list's own bytes, none of them parsed. */
import { LF } from './byte-cursor.js';
import type { InputRows } from './input-rows.js';
import { jsonLayout } from './json-layout.js';
import { LayoutReader } from './layout-reader.js';
import { isNestedTooDeep } from './nesting.js';
import type { RowLayout } from './row-layout.js';
import type { RowReader } from './row-reader.js';

const TAB = 0x09;
const CR = 0x0d;
const SPACE = 0x20;
const QUOTE = 0x22;
const COMMA = 0x2c;
const OPEN_ARRAY = 0x5b;
const BACKSLASH = 0x5c;
const CLOSE_ARRAY = 0x5d;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;

/**
 * @param list from its bracket to its bracket; it is made lines of in place, or left as it is
 * @param maxLineBytes of a row with its line end and what stands before that
 * @returns the rows as NDJSON; undefined when one is bad, or looks so different that it may be, or is not to be stored as it
 * stands: then the list is to be parsed
 */
export function linesOfList(
  list: Uint8Array,
  reader: RowReader,
  maxLineBytes: number,
): Uint8Array | undefined {
  const first = skipBlanks(list, 1);
  const ends = rowEnds(list, first, reader, maxLineBytes);
  if (ends === undefined) return undefined;
  for (const end of ends) {
    const next = nextRow(list, end) as number;
    if (next - end > 1) list.fill(SPACE, end, next);
    list[next - 1] = LF;
  }
  return list.subarray(first);
}

/** The places behind the rows; undefined as above. */
function rowEnds(
  list: Uint8Array,
  first: number,
  reader: RowReader,
  maxLineBytes: number,
): number[] | undefined {
  if (!reader.hasLayout) return undefined;
  const inputs = reader.allocate(1);
  const layout = layoutOf(list.subarray(first, valueEnd(list, first)), reader, inputs);
  if (layout === undefined) return undefined;
  const byLayout = new LayoutReader(list, reader, inputs);
  const ends: number[] = [];
  for (let start = first; start < list.length; ) {
    const end = byLayout.readRow(layout, start, 0);
    const next = end === undefined ? undefined : nextRow(list, end);
    if (end === undefined || next === undefined || next - start > maxLineBytes) return undefined;
    // A row that was parsed is stored with 0 in its place.
    if (byLayout.sawNegativeZero) return undefined;
    ends.push(end);
    start = next;
  }
  return ends;
}

/** The layout of rows like this one; undefined when it is bad, or of several lines, which would become several rows. */
function layoutOf(row: Uint8Array, reader: RowReader, inputs: readonly InputRows[]): RowLayout | undefined {
  if (row.includes(LF)) return undefined;
  try {
    const text = UTF8.decode(row);
    if (isNestedTooDeep(text)) return undefined;
    const value: unknown = JSON.parse(text);
    const isGood = typeof reader.idOf(value) !== 'object' && reader.read(value, inputs, 0) === undefined;
    return isGood ? jsonLayout(row, reader, inputs) : undefined;
  } catch {
    return undefined;
  }
}

const UTF8 = new TextDecoder('utf-8', { fatal: true });

/** Where the row behind this one begins: behind a comma, or, when there is none, behind the list; undefined when neither follows. */
function nextRow(list: Uint8Array, end: number): number | undefined {
  const at = skipBlanks(list, end);
  const isLast = at === list.length - 1;
  return list[at] === (isLast ? CLOSE_ARRAY : COMMA) ? skipBlanks(list, at + 1) : undefined;
}

/** The place behind the value that begins at `start`, if a list of JSON goes on there. */
function valueEnd(list: Uint8Array, start: number): number {
  let depth = 0;
  let isString = false;
  let end = start;
  for (let at = start; at < list.length; at++) {
    const byte = list[at] as number;
    if (isString) {
      if (byte === BACKSLASH) at++;
      else if (byte === QUOTE) isString = false;
    } else if (byte === QUOTE) isString = true;
    else if (byte === OPEN_ARRAY || byte === OPEN_OBJECT) depth++;
    else if (depth === 0 && (byte === COMMA || byte === CLOSE_ARRAY)) return end;
    else if (byte === CLOSE_ARRAY || byte === CLOSE_OBJECT) depth--;
    if (!isBlank(byte)) end = at + 1;
  }
  return end;
}

function skipBlanks(bytes: Uint8Array, start: number): number {
  let at = start;
  while (isBlank(bytes[at])) at++;
  return at;
}

function isBlank(byte: number | undefined): boolean {
  return byte === SPACE || byte === LF || byte === CR || byte === TAB;
}
