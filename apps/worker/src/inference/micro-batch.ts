/** Cuts micro-batches out of the rows of a chunk: the values and the shape of each tensor that goes into a run. */
import {
  allocate,
  copyInto,
  type ElementType,
  slice,
  type TensorData,
} from '@millrace/batch/manifest/element-types';
import type { InputRows } from '@millrace/batch/rows/input-rows';

export interface Take {
  type: ElementType;
  data: TensorData;
  /** With the batch dimension. */
  shape: number[];
}

/** The first `count` rows. */
export function firstRows(count: number): Uint32Array {
  return Uint32Array.from({ length: count }, (_, row) => row);
}

/** Rows that can share a tensor: those of which every input has the same shape. Each group is in the order of `rows`. */
function sameShapes(inputs: readonly InputRows[], rows: Uint32Array): Uint32Array[] {
  const ragged = inputs.filter((input) => input.kind === 'ragged');
  if (ragged.length === 0) return [rows];
  const groups = new Map<string, number[]>();
  for (const row of rows) {
    const key = ragged.map((input) => input.rows[row]?.shape.join('x')).join(' ');
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [row]);
    else group.push(row);
  }
  return [...groups.values()].map((group) => Uint32Array.from(group));
}

/** Rows, ascending, in micro-batches: of one shape each, and of at most `size` rows. */
export function microBatches(inputs: readonly InputRows[], rows: Uint32Array, size: number): Uint32Array[] {
  const batches: Uint32Array[] = [];
  for (const group of sameShapes(inputs, rows)) {
    for (let start = 0; start < group.length; start += size)
      batches.push(group.subarray(start, start + size));
  }
  return batches;
}

/** A batch of more than one row as two of half as many. */
export function halves(batch: Uint32Array): [Uint32Array, Uint32Array] {
  const middle = batch.length >>> 1;
  return [batch.subarray(0, middle), batch.subarray(middle)];
}

/** The rows `taken` of an input, the last one repeated until there are `size`. */
export function takeRows(input: InputRows, taken: Uint32Array, size: number): Take {
  const { type } = input;
  const first = taken[0] as number;
  const last = taken.at(-1) as number;
  if (input.kind === 'packed') {
    const shape = [size, ...input.shape];
    const isContiguous = taken.length === size && last - first === size - 1;
    if (isContiguous)
      return { type, shape, data: slice(input.data, first * input.size, (last + 1) * input.size) };
    const row = (at: number) => slice(input.data, at * input.size, (at + 1) * input.size);
    return { type, shape, data: gather(type, taken, size, input.size, row) };
  }
  const { shape: rowShape, data: firstRow } = input.rows[first] as (typeof input.rows)[number];
  const row = (at: number) => input.rows[at]?.data as TensorData;
  return { type, shape: [size, ...rowShape], data: gather(type, taken, size, firstRow.length, row) };
}

function gather(
  type: ElementType,
  taken: Uint32Array,
  size: number,
  rowSize: number,
  row: (at: number) => TensorData,
): TensorData {
  const data = allocate(type, size * rowSize);
  for (let at = 0; at < size; at++) {
    const from = taken[Math.min(at, taken.length - 1)] as number;
    copyInto(data, row(from), at * rowSize);
  }
  return data;
}
