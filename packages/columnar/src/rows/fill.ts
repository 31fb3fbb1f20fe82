/** Copies the numbers of a column into an input tensor, and notes the rows whose values do not fit. */
import type { BigIntArray, NumberArray } from '@millrace/batch/manifest/element-types';
import { float16Value } from '@millrace/batch/manifest/float16';
import type { NumberRange } from '@millrace/batch/rows/element-codec';
import type { FeatureCodec } from '@millrace/batch/rows/feature-codec';
import type { PackedRows } from '@millrace/batch/rows/input-rows';
import { isNull, itemsStart, type NumberColumn, type PlainColumn } from '../column.js';

/** Rows for which the general codec has to say what becomes of them: 1 for each. */
export type Doubtful = Uint8Array;

/** The numbers of one feature, and where they go. */
export interface Target {
  rows: PackedRows;
  /** Of the feature's values among those of a row. */
  offset: number;
  /** Of the feature's values in a row; empty for a single one. */
  shape: readonly number[];
  range: NumberRange;
}

/** Undefined for a feature whose values are no numbers, or are not held as they are. */
export function targetOf(feature: FeatureCodec, rows: PackedRows): Target | undefined {
  const { range } = feature.element;
  if (range === undefined || feature.size === undefined) return undefined;
  return { rows, offset: feature.offset, shape: feature.shape as number[], range };
}

/** @returns false, with nothing done, when the column does not hold numbers in as many dimensions */
export function fillNumbers(column: PlainColumn, target: Target, doubtful: Doubtful): boolean {
  const { shape, offset, rows } = target;
  const numbers = leafOf(column, shape.length);
  if (numbers === undefined) return false;
  const size = shape.reduce((product, each) => product * each, 1);
  const copy = copier(numbers, target);
  for (let row = 0; row < column.length; row++) {
    const from = leafStart(column, row, shape);
    if (from === -1 || !copy(from, row * rows.size + offset, size)) doubtful[row] = 1;
  }
  return true;
}

function leafOf(column: PlainColumn, depth: number): NumberColumn | undefined {
  if (depth === 0) return column.kind === 'number' ? column : undefined;
  return column.kind === 'list' ? leafOf(column.items as PlainColumn, depth - 1) : undefined;
}

/** Where a row's values begin, if there are as many as the shape says; otherwise -1. */
function leafStart(column: PlainColumn, row: number, shape: readonly number[]): number {
  const [size, ...inner] = shape;
  if (isNull(column, row)) return -1;
  if (size === undefined || column.kind !== 'list') return row;
  const start = itemsStart(column, row);
  if (itemsStart(column, row + 1) - start !== size) return -1;
  // Lists lie behind one another: where each has its size, the values of all follow those of the first.
  const items = column.items as PlainColumn;
  const first = leafStart(items, start, inner);
  if (inner.length === 0) return first;
  for (let at = start + 1; at < start + size; at++) if (leafStart(items, at, inner) === -1) return -1;
  return first;
}

/** Copies some values; false when one of them does not fit. */
type Copy = (from: number, to: number, length: number) => boolean;

function copier(column: NumberColumn, { rows, range }: Target): Copy {
  return range.kind === 'number'
    ? numberCopier(column, rows.data as NumberArray, range)
    : bigintCopier(column, rows.data as BigIntArray, range);
}

type RangeOf<Kind> = Extract<NumberRange, { kind: Kind }>;

function numberCopier(
  column: NumberColumn,
  target: NumberArray,
  { min, max, integer }: RangeOf<'number'>,
): Copy {
  const source = directNumbers(column);
  const read = source === undefined ? numberReader(column) : (index: number) => source[index] as number;
  return (from, to, length) => {
    for (let at = 0; at < length; at++) {
      const value = read(from + at);
      // False for NaN: a null, or a NaN of the column; the codec says which.
      if (!(value >= min && value <= max) || (integer && !Number.isInteger(value))) return false;
      target[to + at] = value;
    }
    return true;
  };
}

function bigintCopier(column: NumberColumn, target: BigIntArray, { min, max }: RangeOf<'bigint'>): Copy {
  const { values } = column;
  return (from, to, length) => {
    for (let at = 0; at < length; at++) {
      const index = from + at;
      if (isNull(column, index)) return false;
      const value = values[index] as number | bigint;
      if (typeof value === 'number' && (column.type === 'float16' || !Number.isSafeInteger(value)))
        return false;
      const whole = BigInt(value);
      if (whole < min || whole > max) return false;
      target[to + at] = whole;
    }
    return true;
  };
}

/** The values as they are, where they are numbers and every row has one. */
function directNumbers({ type, valid, values }: NumberColumn): NumberArray | undefined {
  const isDirect = valid === undefined && type !== 'float16' && type !== 'int64' && type !== 'uint64';
  return isDirect ? (values as NumberArray) : undefined;
}

/** Reads a value as the nearest number; NaN where there is none, too. */
function numberReader(column: NumberColumn): (index: number) => number {
  const { type, values } = column;
  const read = type.endsWith('int64') ? halvesReader(column) : (index: number) => values[index] as number;
  const convert = type === 'float16' ? (index: number) => float16Value(read(index)) : read;
  return (index) => (isNull(column, index) ? Number.NaN : convert(index));
}

/** 64-bit integers by their halves: a bigint would be an object for each. */
function halvesReader({ type, values }: NumberColumn): (index: number) => number {
  const { buffer, byteOffset, length } = values;
  const low = new Uint32Array(buffer, byteOffset, 2 * length);
  const high = type === 'int64' ? new Int32Array(buffer, byteOffset, 2 * length) : low;
  return (index) => (high[2 * index + 1] as number) * 2 ** 32 + (low[2 * index] as number);
}
