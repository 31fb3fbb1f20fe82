/** The values of a column, as Arrow lays them out; of the layouts that there are for one type of value, one is enough. */
import type { BigIntArray, NumberArray } from '@millrace/batch/manifest/element-types';
import { float16Value } from '@millrace/batch/manifest/float16';
import type { NumberName } from './ipc/arrow-type.js';

interface Common {
  /** Rows. */
  length: number;
  /** A bit for each row, the lowest first: 0 where it has no value. Absent when all have one. */
  valid?: Uint8Array;
}

export interface NullColumn extends Common {
  kind: 'null';
}

export interface BoolColumn extends Common {
  kind: 'bool';
  /** A bit for each row. */
  bits: Uint8Array;
}

export interface NumberColumn extends Common {
  kind: 'number';
  type: NumberName;
  /** float16 as its bits. */
  values: NumberArray | BigIntArray;
}

export interface TextColumn extends Common {
  kind: 'utf8';
  /** Where each text begins, and the last one ends; one more than there are rows, ascending. */
  offsets: Int32Array;
  bytes: Uint8Array;
}

/** A list of each row; those of one row are behind those of the row before. */
export interface ListColumn extends Common {
  kind: 'list';
  /** As of a text, or how many items every list has. */
  offsets: Int32Array | number;
  items: Column;
}

/** Values that stand elsewhere, which several rows may share. */
export interface IndirectColumn extends Common {
  kind: 'indirect';
  value: SharedValues;
  /** Which of the values a row has; that of a row without one means nothing, and may be -1. */
  indices: Int32Array;
}

export type PlainColumn = NullColumn | BoolColumn | NumberColumn | TextColumn | ListColumn;
export type Column = PlainColumn | IndirectColumn;

/** What rows may share: numbers, or texts, which may lie anywhere in several buffers. */
export type SharedValues = NumberColumn | SharedTexts;

export interface SharedTexts {
  kind: 'texts';
  length: number;
  valid?: Uint8Array;
  /** Of each text, in bytes. */
  lengths: Int32Array;
  text(index: number): Uint8Array;
}

export function bitAt(bits: Uint8Array, index: number): boolean {
  return (((bits[index >>> 3] as number) >>> (index & 7)) & 1) !== 0;
}

export function isNull(column: Common & { kind: string }, row: number): boolean {
  return column.kind === 'null' || (column.valid !== undefined && !bitAt(column.valid, row));
}

/** Where the items of a row's list begin; those of the row before end there. */
export function itemsStart({ offsets }: ListColumn, row: number): number {
  return typeof offsets === 'number' ? row * offsets : (offsets[row] as number);
}

/** A row's value is a text that is not UTF-8. */
export class NotUtf8Error extends Error {}

/**
 * A row's value as JSON has it; undefined where it has none.
 * @param isExact whether 64-bit integers beyond 2^53 - 1 are strings of digits; otherwise the nearest number
 * @throws NotUtf8Error
 */
export function valueAt(column: PlainColumn, row: number, isExact: boolean): unknown {
  if (isNull(column, row)) return undefined;
  switch (column.kind) {
    case 'bool':
      return bitAt(column.bits, row);
    case 'number':
      return numberAt(column, row, isExact);
    case 'utf8':
      return textAt(column, row);
    case 'list': {
      const items: unknown[] = [];
      const end = itemsStart(column, row + 1);
      for (let at = itemsStart(column, row); at < end; at++) {
        items.push(valueAt(column.items as PlainColumn, at, isExact) ?? null);
      }
      return items;
    }
    case 'null':
      return undefined;
  }
}

function numberAt({ type, values }: NumberColumn, row: number, isExact: boolean): number | string {
  const value = values[row] as number | bigint;
  if (typeof value === 'number') return type === 'float16' ? float16Value(value) : value;
  const number = Number(value);
  return isExact && !Number.isSafeInteger(number) ? String(value) : number;
}

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function textAt({ offsets, bytes }: TextColumn, row: number): string {
  try {
    return UTF8.decode(bytes.subarray(offsets[row], offsets[row + 1]));
  } catch (cause) {
    throw new NotUtf8Error('a text is not UTF-8', { cause });
  }
}
