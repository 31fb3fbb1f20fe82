/** One row's value of a column as JSON, in bytes: values of the common kinds without a string for each. */
import { ELEMENT_TYPES, type NumberArray } from '../manifest/element-types.js';
import { float16Value } from '../manifest/float16.js';
import { POWERS_OF_TEN } from '../powers-of-ten.js';
import type { ByteWriter } from './byte-writer.js';
import type { Column } from './column.js';
import { numberPrinter } from './number-printer.js';
import { float32Places } from './number-text.js';

/** Writes a row's value. */
export type WriteCell = (row: number, out: ByteWriter) => void;
/** Writes the value at a position of a column's data. */
type WriteValue = (at: number, out: ByteWriter) => void;
/** Writes a vector of so many values, from a position on. */
type WriteVector = (start: number, size: number, out: ByteWriter) => void;

const UTF8 = new TextEncoder();
const MINUS = 0x2d;
const COMMA = 0x2c;
const OPEN_ARRAY = 0x5b;
const CLOSE_ARRAY = 0x5d;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;
const TRUE = UTF8.encode('true');
const FALSE = UTF8.encode('false');

export function cellWriter(column: Column): WriteCell {
  const { classes, top_k: topK } = column.head;
  const write = valueWriter(column);
  const writeSingle = classes === undefined ? write : classWriter(column, classes, write);
  const writeVector =
    topK !== undefined ? highestWriter(column, write, topK) : classes && membersWriter(write, classes);
  if (column.head.shape?.length === 0) return writeSingle;
  return (row, out) => {
    const { start, shape } = column.place(row);
    if (shape.length === 0) writeSingle(start, out);
    else if (shape.length === 1 && writeVector !== undefined) writeVector(start, shape[0] as number, out);
    else writeNested(write, start, shape, 0, out);
  };
}

/** Several outputs of a row as a JSON object. */
export function objectWriter(columns: readonly Column[]): WriteCell {
  const writers = columns.map(cellWriter);
  const keys = columns.map(({ head }, at) => memberKey(head.name, at));
  return (row, out) => {
    out.byte(OPEN_OBJECT);
    for (let at = 0; at < writers.length; at++) {
      out.append(keys[at] as Uint8Array);
      (writers[at] as WriteCell)(row, out);
    }
    out.byte(CLOSE_OBJECT);
  };
}

/** Writes lists to the depth of the shape. @returns the position behind the last value */
function writeNested(
  write: WriteValue,
  start: number,
  shape: readonly number[],
  depth: number,
  out: ByteWriter,
): number {
  const size = shape[depth] as number;
  const isInnermost = depth === shape.length - 1;
  out.byte(OPEN_ARRAY);
  let next = start;
  for (let at = 0; at < size; at++) {
    if (at > 0) out.byte(COMMA);
    if (isInnermost) write(next++, out);
    else next = writeNested(write, next, shape, depth + 1, out);
  }
  out.byte(CLOSE_ARRAY);
  return next;
}

/** The values by the names of their classes; by their places where these have none. */
function membersWriter(write: WriteValue, classes: readonly string[]): WriteVector {
  const keys = classes.map(memberKey);
  return (start, size, out) => {
    out.byte(OPEN_OBJECT);
    for (let at = 0; at < size; at++) {
      keys[at] ??= memberKey(String(at), at);
      out.append(keys[at] as Uint8Array);
      write(start + at, out);
    }
    out.byte(CLOSE_OBJECT);
  };
}

/** The k highest values of a vector, as a list of their classes and scores. */
function highestWriter(column: Column, write: WriteValue, k: number): WriteVector {
  const { classes } = column.head;
  const heads: Uint8Array[] = [];
  const headOf = (place: number) => {
    const name = classes?.[place];
    return UTF8.encode(`{"class":${name === undefined ? place : JSON.stringify(name)},"score":`);
  };
  return (start, size, out) => {
    out.byte(OPEN_ARRAY);
    highestPlaces(column, start, size, k).forEach((place, at) => {
      if (at > 0) out.byte(COMMA);
      heads[place] ??= headOf(place);
      out.append(heads[place] as Uint8Array);
      write(start + place, out);
      out.byte(CLOSE_OBJECT);
    });
    out.byte(CLOSE_ARRAY);
  };
}

/** The places of the k highest values of a vector, highest first, the earlier place first among equals. */
function highestPlaces({ data, head }: Column, start: number, length: number, k: number): number[] {
  const value = (place: number): number => {
    const found = data[start + place];
    const number = head.type === 'float16' ? float16Value(found as number) : Number(found);
    // The lowest of all: compared as it is, it would leave the others in no order.
    return Number.isNaN(number) ? Number.NEGATIVE_INFINITY : number;
  };
  const places = Array.from({ length }, (_, place) => place);
  return places.sort((a, b) => value(b) - value(a) || a - b).slice(0, k);
}

/** The key of an object's member, with the comma before it. */
function memberKey(name: string, at: number): Uint8Array {
  return UTF8.encode(`${at === 0 ? '' : ','}${JSON.stringify(name)}:`);
}

/** The name of the class that a number stands for; the number where it stands for none. */
function classWriter({ data }: Column, classes: readonly string[], write: WriteValue): WriteValue {
  const names = classes.map((name) => UTF8.encode(JSON.stringify(name)));
  const numberAt = numbersOf(data);
  return (at, out) => {
    const name = names[numberAt(at)];
    if (name === undefined) write(at, out);
    else out.append(name);
  };
}

function valueWriter({ head, data }: Column): WriteValue {
  const { kind } = ELEMENT_TYPES[head.type];
  if (kind === 'bool') return (at, out) => out.append(data[at] === 0 ? FALSE : TRUE);
  if (kind === 'string') return (at, out) => out.string(data[at] as string);
  const print = numberPrinter(head);
  const writeText: WriteValue = (at, out) => out.text(print(data, at));
  if (kind === 'int' || (kind === 'bigint' && head.int64 !== 'string')) {
    const numberAt = numbersOf(data);
    return (at, out) => {
      const number = numberAt(at);
      if (Number.isSafeInteger(number)) out.number(number);
      else writeText(at, out);
    };
  }
  if (head.type === 'float32' && head.decimals === undefined) {
    return (at, out) => {
      if (!writeFloat32((data as Float32Array)[at] as number, out)) writeText(at, out);
    };
  }
  return writeText;
}

/** The numbers of a column's data, those of 64 bits rounded. */
function numbersOf(data: Column['data']): (at: number) => number {
  if (!(data instanceof BigInt64Array)) return (at) => Number((data as NumberArray)[at]);
  // Most of them fit half the bits, where no BigInt has to be made.
  const halves = new Int32Array(data.buffer, data.byteOffset, 2 * data.length);
  return (at) => {
    const low = halves[2 * at] as number;
    return halves[2 * at + 1] === low >> 31 ? low : Number(data[at]);
  };
}

/** Smaller numbers are spelled with an exponent. */
const PLAIN_MIN = 1e-6;
/** Smaller whole numbers are spelled as they are. */
const WHOLE_MAX = 1e6;

/** False, with nothing written, for a number that is spelled otherwise than with a few digits and a point. */
function writeFloat32(value: number, out: ByteWriter): boolean {
  const size = Math.abs(value);
  if (size < WHOLE_MAX && Number.isInteger(value)) {
    out.number(value);
    return true;
  }
  const places = size >= PLAIN_MIN ? float32Places(size) : undefined;
  if (places === undefined) return false;
  if (value < 0) out.byte(MINUS);
  out.decimal(Math.round(size * (POWERS_OF_TEN[places] as number)), places);
  return true;
}
