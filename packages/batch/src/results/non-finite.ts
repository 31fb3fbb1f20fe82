/** Finds NaN and the infinities, which JSON has no number for. */
import { ELEMENT_TYPES, type NumberArray } from '../manifest/element-types.js';
import { sizeOf } from '../manifest/feature.js';
import type { Column } from './column.js';

/** True for a column with one that the manifest has not allowed as a string. */
export function hasNonFinite(column: Column): boolean {
  const { type, non_finite: nonFinite } = column.head;
  if (ELEMENT_TYPES[type].kind !== 'float' || nonFinite === 'string') return false;
  return isNonFinite(column, 0, column.data.length);
}

/** The same of a row of such a column. */
export function isRowNonFinite(column: Column, row: number): boolean {
  const { start, shape } = column.place(row);
  return isNonFinite(column, start, start + (sizeOf(shape) as number));
}

function isNonFinite({ head, data }: Column, start: number, end: number): boolean {
  const numbers = data as NumberArray;
  if (head.type === 'float16') {
    for (let at = start; at < end; at++) if (((numbers[at] as number) & 0x7c00) === 0x7c00) return true;
  } else {
    for (let at = start; at < end; at++) if (!Number.isFinite(numbers[at])) return true;
  }
  return false;
}
