/** One row's value of a column as JSON, in bytes: the same text as that of `cell-text.ts`, the common kinds without a string. */
import { ELEMENT_TYPES, type NumberArray } from '../manifest/element-types.js';
import { sizeOf } from '../manifest/feature.js';
import { POWERS_OF_TEN } from '../powers-of-ten.js';
import type { ByteWriter } from './byte-writer.js';
import { cellPrinter, highestPlaces, valuePrinter } from './cell-text.js';
import type { Column } from './column.js';
import { float32Places } from './number-text.js';

/** Writes a row's value. */
export type WriteCell = (row: number, out: ByteWriter) => void;
/** Writes the value at a position of a column's data. */
type WriteValue = (at: number, out: ByteWriter) => void;

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
  const { classes, top_k: topK, shape } = column.head;
  if (shape === undefined || shape.length > 1) {
    const print = cellPrinter(column);
    return (row, out) => out.text(print(row));
  }
  const write = valueWriter(column);
  const size = sizeOf(shape) as number;
  if (shape.length === 1) {
    if (topK !== undefined) return highestWriter(column, write, size, topK);
    return classes === undefined ? listWriter(write, size) : membersWriter(write, size, classes);
  }
  return classes === undefined ? write : classWriter(column, classes, write);
}

/** Several outputs of a row as a JSON object. */
export function objectWriter(columns: readonly Column[]): WriteCell {
  const writers = columns.map(cellWriter);
  const keys = memberKeys(columns.map(({ head }) => head.name));
  return (row, out) => {
    out.byte(OPEN_OBJECT);
    for (let at = 0; at < writers.length; at++) {
      out.append(keys[at] as Uint8Array);
      (writers[at] as WriteCell)(row, out);
    }
    out.byte(CLOSE_OBJECT);
  };
}

function listWriter(write: WriteValue, size: number): WriteCell {
  return (row, out) => {
    out.byte(OPEN_ARRAY);
    for (let at = 0; at < size; at++) {
      if (at > 0) out.byte(COMMA);
      write(row * size + at, out);
    }
    out.byte(CLOSE_ARRAY);
  };
}

function membersWriter(write: WriteValue, size: number, classes: readonly string[]): WriteCell {
  const keys = memberKeys(Array.from({ length: size }, (_, at) => classes[at] ?? String(at)));
  return (row, out) => {
    out.byte(OPEN_OBJECT);
    for (let at = 0; at < size; at++) {
      out.append(keys[at] as Uint8Array);
      write(row * size + at, out);
    }
    out.byte(CLOSE_OBJECT);
  };
}

function highestWriter(column: Column, write: WriteValue, size: number, k: number): WriteCell {
  const { classes } = column.head;
  const heads = Array.from({ length: size }, (_, at) => {
    const name = classes?.[at];
    return UTF8.encode(`{"class":${name === undefined ? at : JSON.stringify(name)},"score":`);
  });
  return (row, out) => {
    const start = row * size;
    out.byte(OPEN_ARRAY);
    highestPlaces(column, start, size, k).forEach((place, at) => {
      if (at > 0) out.byte(COMMA);
      out.append(heads[place] as Uint8Array);
      write(start + place, out);
      out.byte(CLOSE_OBJECT);
    });
    out.byte(CLOSE_ARRAY);
  };
}

/** The keys of an object's members, each with the comma before it. */
function memberKeys(names: readonly string[]): Uint8Array[] {
  return names.map((name, at) => UTF8.encode(`${at === 0 ? '' : ','}${JSON.stringify(name)}:`));
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
  const print = valuePrinter(head);
  const writeText: WriteValue = (at, out) => out.text(print(data, at));
  const { kind } = ELEMENT_TYPES[head.type];
  if (kind === 'bool') return (at, out) => out.append(data[at] === 0 ? FALSE : TRUE);
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
  if (kind === 'string') return (at, out) => out.string(data[at] as string);
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
