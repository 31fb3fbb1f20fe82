/** Output tensors as columns: the values of one output for every row of a chunk. */
import { z } from 'zod';
import {
  allocate,
  copyInto,
  ELEMENT_TYPE_NAMES,
  ELEMENT_TYPES,
  slice,
  type TensorData,
} from '../manifest/element-types.js';
import { sizeOf } from '../manifest/feature.js';
import type { Output } from '../manifest/manifest.js';

/** How a column is to be read and printed. */
export const ColumnHead = z.object({
  name: z.string(),
  type: z.enum(ELEMENT_TYPE_NAMES),
  classes: z.array(z.string()).optional(),
  top_k: z.number().optional(),
  decimals: z.number().optional(),
  int64: z.enum(['auto', 'string', 'number']).optional(),
  non_finite: z.enum(['error', 'string']).optional(),
  /** Of one row, where all rows share it. */
  shape: z.array(z.number()).optional(),
  /** Of each row, where they do not. */
  shapes: z.array(z.array(z.number())).optional(),
});
export type ColumnHead = z.infer<typeof ColumnHead>;

export interface Column {
  head: ColumnHead;
  /** The values of all rows, one row after the other; rows without a prediction hold zeros, or nothing. */
  data: TensorData;
  /** Where a row's values begin and what shape they have. */
  place(row: number): { start: number; shape: readonly number[] };
}

function columnOf(head: ColumnHead, data: TensorData): Column {
  const { shape, shapes } = head;
  if (shapes === undefined) {
    const rowShape = shape ?? [];
    const size = sizeOf(rowShape) ?? 0;
    return { head, data, place: (row) => ({ start: row * size, shape: rowShape }) };
  }
  let next = 0;
  const starts = shapes.map((each) => {
    const start = next;
    next += sizeOf(each) ?? 0;
    return start;
  });
  return { head, data, place: (row) => ({ start: starts[row] ?? 0, shape: shapes[row] ?? [0] }) };
}

/** The bytes that are stored of a column, beside its head. */
export function columnBytes({ data }: Column): Uint8Array {
  if (Array.isArray(data)) return new TextEncoder().encode(JSON.stringify(data));
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

/** Reads stored bytes back; they may start at any offset of their buffer. */
export function readColumn(head: ColumnHead, bytes: Uint8Array): Column {
  const { type } = head;
  if (type === 'string') return columnOf(head, JSON.parse(new TextDecoder().decode(bytes)) as string[]);
  return columnOf(head, new ELEMENT_TYPES[type].array(Uint8Array.from(bytes).buffer));
}

interface Piece {
  shape: readonly number[];
  data: TensorData;
}

/** Gathers an output of several runs of the session into one column. */
export class ColumnBuilder {
  /** Of all rows, where the manifest gives them one shape. */
  private readonly data: TensorData | undefined;
  /** By row, where it leaves a size open: one row may be a thousand times as long as the next. */
  private readonly pieces: Piece[] = [];

  constructor(
    readonly output: Output,
    private readonly rows: number,
  ) {
    const size = sizeOf(output.shape);
    if (size !== undefined) this.data = allocate(output.type, rows * size);
  }

  /**
   * @param places the rows that the values are of
   * @param values `places.length` rows of `shape`, and maybe more, which are passed over
   */
  add(places: Uint32Array, values: TensorData, shape: readonly number[]): void {
    const rowShape = rowShapeOf(this.output, shape);
    const size = sizeOf(rowShape) ?? 0;
    if (this.data !== undefined) {
      scatter(values, this.data, size, places);
      return;
    }
    places.forEach((row, at) => {
      this.pieces[row] = { shape: rowShape, data: slice(values, at * size, (at + 1) * size) };
    });
  }

  finish(): Column {
    const { name, type, classes, top_k, decimals, int64, non_finite, shape } = this.output;
    const head: ColumnHead = { name, type, classes, top_k, decimals, int64, non_finite };
    if (this.data !== undefined) return columnOf({ ...head, shape: shape as number[] }, this.data);
    const nothing: Piece = { shape: [0], data: allocate(type, 0) };
    const pieces = Array.from({ length: this.rows }, (_, row) => this.pieces[row] ?? nothing);
    const data = allocate(
      type,
      pieces.reduce((sum, piece) => sum + piece.data.length, 0),
    );
    let at = 0;
    for (const piece of pieces) {
      copyInto(data, piece.data, at);
      at += piece.data.length;
    }
    const [first = nothing] = pieces;
    const isShared = pieces.every((piece) => String(piece.shape) === String(first.shape));
    const shapes = isShared
      ? { shape: [...first.shape] }
      : { shapes: pieces.map((piece) => [...piece.shape]) };
    return columnOf({ ...head, ...shapes }, data);
  }
}

/**
 * The shape in which a row's values are kept: the tensor's own, or the manifest's where it holds as many values, as `[]`
 * for a tensor of `[rows, 1]`.
 * @throws Error when the manifest says otherwise
 */
export function rowShapeOf({ name, shape: stated }: Output, found: readonly number[]): readonly number[] {
  const isAsStated =
    stated.length === found.length && stated.every((size, at) => size === null || size === found[at]);
  if (isAsStated) return found;
  if (sizeOf(stated) === sizeOf(found)) return stated as number[];
  const text = (shape: readonly (number | null)[]) =>
    ['rows', ...shape.map((each) => each ?? '?')].join(', ');
  throw new Error(`output "${name}" came out as [${text(found)}], not as [${text(stated)}]`);
}

/** Copies the values of a run to the places of its rows. */
function scatter(values: TensorData, target: TensorData, size: number, places: Uint32Array): void {
  const first = places[0] as number;
  const isContiguous = (places.at(-1) as number) - first === places.length - 1;
  if (isContiguous) {
    copyInto(target, slice(values, 0, places.length * size), first * size);
    return;
  }
  for (let at = 0; at < places.length; at++) {
    const from = at * size;
    const to = (places[at] as number) * size;
    for (let index = 0; index < size; index++) {
      (target as unknown[])[to + index] = values[from + index];
    }
  }
}
