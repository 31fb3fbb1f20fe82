/** Output tensors as columns: one entry per row of the chunk, kept in the bytes ONNX Runtime gave. */
import { z } from 'zod';
import { OUTPUT_TYPES, type Output } from '../manifest.js';
import { float32Text, int64Text } from './number-text.js';

const ARRAYS = {
  float32: Float32Array,
  float64: Float64Array,
  int32: Int32Array,
  int64: BigInt64Array,
} as const;

export type ColumnData = InstanceType<(typeof ARRAYS)[keyof typeof ARRAYS]>;

/** How a column's bytes are to be read. `width` is absent for one value per row. */
export const ColumnShape = z.object({
  name: z.string(),
  type: z.enum(OUTPUT_TYPES),
  width: z.number().optional(),
});
export type ColumnShape = z.infer<typeof ColumnShape>;

export interface Column extends ColumnShape {
  /** `rows × (width ?? 1)` values; rows without a prediction hold zeros. */
  data: ColumnData;
}

export function emptyColumn({ name, type, width }: Output, rows: number): Column {
  const data = new ARRAYS[type](rows * (width ?? 1));
  return width === undefined ? { name, type, data } : { name, type, width, data };
}

/** Reads stored bytes back; they may start at any offset of their buffer. */
export function columnOf(shape: ColumnShape, bytes: Uint8Array): Column {
  return { ...shape, data: new ARRAYS[shape.type](Uint8Array.from(bytes).buffer) };
}

/** The JSON text of one row's value. */
export function cellText(column: Column, row: number): string {
  const { data, width, type } = column;
  if (width === undefined) return valueText(data, type, row);
  const texts: string[] = [];
  for (let at = row * width; at < (row + 1) * width; at++) texts.push(valueText(data, type, at));
  return `[${texts.join(',')}]`;
}

function valueText(data: ColumnData, type: ColumnShape['type'], at: number): string {
  const value = data[at] as number | bigint;
  switch (type) {
    case 'int64':
      return int64Text(value as bigint);
    case 'float32':
      return float32Text(value as number);
    case 'float64':
    case 'int32':
      return String(value);
  }
}

/** True when a value of this row is NaN or infinite, which JSON has no number for. */
export function isNonFinite(column: Column, row: number): boolean {
  if (column.type !== 'float32' && column.type !== 'float64') return false;
  const width = column.width ?? 1;
  for (let at = row * width; at < (row + 1) * width; at++) {
    if (!Number.isFinite(column.data[at] as number)) return true;
  }
  return false;
}
