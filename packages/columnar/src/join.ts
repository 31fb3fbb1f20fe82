/** Puts rows of columns one after the other, in buffers of their own. */
import { ELEMENT_TYPES, type NumberArray } from '@millrace/batch/manifest/element-types';
import { bitsOf, setBit } from './bits.js';
import {
  type BoolColumn,
  bitAt,
  type Column,
  type IndirectColumn,
  isNull,
  itemsStart,
  type ListColumn,
  type NumberColumn,
  type PlainColumn,
  type TextColumn,
} from './column.js';

/** The rows of a column from `start` up to `end`. */
export interface Slice<C extends Column = Column> {
  column: C;
  start: number;
  end: number;
}

/** @param slices at least one, of columns of one type */
export function joinSlices(slices: readonly Slice[]): PlainColumn {
  const plain = slices.map(plainSlice);
  const length = plain.reduce((sum, { start, end }) => sum + end - start, 0);
  const valid = joinValidity(plain, length);
  const common = valid === undefined ? { length } : { length, valid };
  const [{ column }] = plain as [Slice<PlainColumn>];
  switch (column.kind) {
    case 'null':
      return { kind: 'null', length };
    case 'bool':
      return { kind: 'bool', ...common, bits: joinBits(plain as Slice<BoolColumn>[], length) };
    case 'number':
      return {
        kind: 'number',
        ...common,
        type: column.type,
        values: joinNumbers(plain as Slice<NumberColumn>[], length),
      };
    case 'utf8':
      return { kind: 'utf8', ...common, ...joinTexts(plain as Slice<TextColumn>[], length) };
    case 'list':
      return { kind: 'list', ...common, ...joinLists(plain as Slice<ListColumn>[], length) };
  }
}

/** Bytes of the rows, about; a value that takes less than one counts as one. */
export function sliceBytes({ column, start, end }: Slice): number {
  const rows = end - start;
  switch (column.kind) {
    case 'number':
      return rows * column.values.BYTES_PER_ELEMENT;
    case 'utf8':
      return 4 * rows + (column.offsets[end] as number) - (column.offsets[start] as number);
    case 'list':
      return (
        4 * rows +
        sliceBytes({ column: column.items, start: itemsStart(column, start), end: itemsStart(column, end) })
      );
    case 'indirect':
      return indirectBytes(column, start, end);
    default:
      return rows;
  }
}

function indirectBytes(column: IndirectColumn, start: number, end: number): number {
  const { value, indices } = column;
  if (value.kind === 'number') return (end - start) * value.values.BYTES_PER_ELEMENT;
  let bytes = 4 * (end - start);
  for (let row = start; row < end; row++) {
    if (!isNull(column, row)) bytes += value.lengths[indices[row] as number] as number;
  }
  return bytes;
}

function plainSlice({ column, start, end }: Slice): Slice<PlainColumn> {
  if (column.kind !== 'indirect') return { column, start, end };
  return { column: direct(column, start, end), start: 0, end: end - start };
}

/** The values of rows, each in its own place. */
function direct(column: IndirectColumn, start: number, end: number): NumberColumn | TextColumn {
  const { value, indices } = column;
  const length = end - start;
  const isThere = (row: number) => !isNull(column, row) && !isNull(value, indices[row] as number);
  const valid = bitsOf(length, (at) => isThere(start + at));
  if (value.kind === 'number') {
    const values = new ELEMENT_TYPES[value.type].array(length);
    for (let at = 0; at < length; at++) {
      if (bitAt(valid, at)) values[at] = value.values[indices[start + at] as number] as never;
    }
    return { kind: 'number', length, valid, type: value.type, values };
  }
  const offsets = new Int32Array(length + 1);
  for (let at = 0; at < length; at++) {
    const size = bitAt(valid, at) ? (value.lengths[indices[start + at] as number] as number) : 0;
    offsets[at + 1] = (offsets[at] as number) + size;
  }
  const bytes = new Uint8Array(offsets[length] as number);
  const texts = new Map<number, Uint8Array>();
  for (let at = 0; at < length; at++) {
    if (!bitAt(valid, at)) continue;
    const index = indices[start + at] as number;
    const text = texts.get(index) ?? value.text(index);
    texts.set(index, text);
    bytes.set(text, offsets[at]);
  }
  return { kind: 'utf8', length, valid, offsets, bytes };
}

/** Undefined when every row has a value. */
function joinValidity(slices: readonly Slice<PlainColumn>[], length: number): Uint8Array | undefined {
  if (slices.every(({ column }) => column.valid === undefined)) return undefined;
  const joined = new Uint8Array((length + 7) >>> 3);
  let at = 0;
  let isWhole = true;
  for (const { column, start, end } of slices) {
    for (let row = start; row < end; row++, at++) {
      if (isNull(column, row)) isWhole = false;
      else setBit(joined, at);
    }
  }
  return isWhole ? undefined : joined;
}

function joinBits(slices: readonly Slice<BoolColumn>[], length: number): Uint8Array {
  const joined = new Uint8Array((length + 7) >>> 3);
  let at = 0;
  for (const { column, start, end } of slices) {
    for (let row = start; row < end; row++, at++) if (bitAt(column.bits, row)) setBit(joined, at);
  }
  return joined;
}

function joinNumbers(slices: readonly Slice<NumberColumn>[], length: number): NumberColumn['values'] {
  const [{ column }] = slices as [Slice<NumberColumn>];
  const joined = new ELEMENT_TYPES[column.type].array(length);
  let at = 0;
  for (const { column: each, start, end } of slices) {
    // All are arrays of one type; TypeScript cannot see that.
    (joined as NumberArray).set((each.values as NumberArray).subarray(start, end), at);
    at += end - start;
  }
  return joined;
}

/** Offsets that go on from slice to slice, and where the content of each slice was. */
function joinOffsets<C extends TextColumn | ListColumn>(
  slices: readonly Slice<C>[],
  length: number,
  startOf: (column: C, row: number) => number,
) {
  const offsets = new Int32Array(length + 1);
  const contents: { column: C; start: number; end: number }[] = [];
  let at = 0;
  for (const { column, start, end } of slices) {
    const first = startOf(column, start);
    const moved = (offsets[at] as number) - first;
    for (let row = start; row < end; row++) offsets[++at] = startOf(column, row + 1) + moved;
    contents.push({ column, start: first, end: startOf(column, end) });
  }
  return { offsets, contents };
}

function joinTexts(slices: readonly Slice<TextColumn>[], length: number) {
  const startOf = (column: TextColumn, row: number) => column.offsets[row] as number;
  const { offsets, contents } = joinOffsets(slices, length, startOf);
  const bytes = new Uint8Array(offsets[length] as number);
  let at = 0;
  for (const { column, start, end } of contents) {
    bytes.set(column.bytes.subarray(start, end), at);
    at += end - start;
  }
  return { offsets, bytes };
}

function joinLists(slices: readonly Slice<ListColumn>[], length: number) {
  const { offsets, contents } = joinOffsets(slices, length, itemsStart);
  const items = joinSlices(contents.map(({ column, start, end }) => ({ column: column.items, start, end })));
  return { offsets, items };
}
