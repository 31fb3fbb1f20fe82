/** The rows of one input tensor, as they are read and before they are cut into micro-batches. */
import { allocate, type ElementType, type TensorData } from '../manifest/element-types.js';
import { sizeOf } from '../manifest/feature.js';
import type { Input } from '../manifest/manifest.js';

/** Every row has the same shape: together they are a tensor of `[rows, …shape]`. */
export interface PackedRows {
  kind: 'packed';
  type: ElementType;
  /** Of one row. */
  shape: readonly number[];
  /** Values of one row. */
  size: number;
  data: TensorData;
}

/** Every row has a shape of its own. */
export interface RaggedRows {
  kind: 'ragged';
  type: ElementType;
  rows: { shape: readonly number[]; data: TensorData }[];
}

export type InputRows = PackedRows | RaggedRows;

/** Room for so many rows of an input. */
export function emptyRows({ type, shape }: Input, rows: number): InputRows {
  const size = sizeOf(shape);
  if (size === undefined) return { kind: 'ragged', type, rows: [] };
  return { kind: 'packed', type, shape: shape as number[], size, data: allocate(type, rows * size) };
}
