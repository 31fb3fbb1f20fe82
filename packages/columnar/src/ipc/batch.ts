/** Reads the columns of a record batch, in place, and checks every length and offset before anything follows it. */
import { type BigIntArray, ELEMENT_TYPES, type NumberArray } from '@millrace/batch/manifest/element-types';
import { bitAt, type Column, type SharedTexts, type SharedValues, type TextColumn } from '../column.js';
import type { ArrowField, ArrowType, NumberName } from './arrow-type.js';
import { MalformedArrowError, type Table } from './flatbuffer.js';

/** Buffers are compressed, which is not read. */
export class CompressedArrowError extends Error {}

/** What dictionaries hold, by their number. */
export type Dictionaries = ReadonlyMap<number, SharedValues>;

export interface Batch {
  rows: number;
  columns: Column[];
}

const CODECS: Readonly<Record<number, string>> = { 0: 'LZ4', 1: 'ZSTD' };
/** Rows, or nulls in lists, that a batch may have without a byte for them: a column that is all null has none. */
const EMPTY_ROWS_MAX = 65_536;

/**
 * @param header of a record batch, or the one within a dictionary batch
 * @param emptyRowsMax how many rows, or nulls in lists, may have no bytes
 * @throws MalformedArrowError, CompressedArrowError
 */
export function readBatch(
  fields: readonly ArrowField[],
  header: Table,
  body: Uint8Array,
  dictionaries: Dictionaries,
  emptyRowsMax = EMPTY_ROWS_MAX,
): Batch {
  const compression = header.table(3);
  if (compression !== undefined) {
    throw new CompressedArrowError(CODECS[compression.int8(0)] ?? 'a codec of no known name');
  }
  const rows = header.size(0);
  const rowsMax = 8 * body.length + emptyRowsMax;
  if (rows > rowsMax) throw moreRowsThanBytes();
  const buffers = new Buffers(header, body);
  const columns = fields.map(({ type }) => {
    const column = new ColumnReader(buffers, dictionaries, rowsMax).read(type);
    if (column.length !== rows) throw broken('has columns of different lengths');
    return column;
  });
  return { rows, columns };
}

function moreRowsThanBytes(): MalformedArrowError {
  return broken('has more rows than bytes for them');
}

function broken(how: string): MalformedArrowError {
  return new MalformedArrowError(`a record batch ${how}`);
}

/** The lengths and the buffers of a batch, in the order in which its columns take them. */
class Buffers {
  private readonly nodes: [length: number, nulls: number][];
  private readonly places: [offset: number, length: number][];
  /** How many buffers are behind each column of views. */
  private readonly variadic: number[];
  private node = 0;
  private buffer = 0;
  private view = 0;

  constructor(
    header: Table,
    private readonly body: Uint8Array,
  ) {
    this.nodes = header.pairs(1);
    this.places = header.pairs(2);
    this.variadic = header.sizes(4);
  }

  nextLength(): [length: number, nulls: number] {
    const node = this.nodes[this.node++];
    if (node === undefined) throw broken('lacks columns of its schema');
    return node;
  }

  next(): Uint8Array {
    const place = this.places[this.buffer++];
    if (place === undefined) throw broken('lacks buffers of its columns');
    const [offset, length] = place;
    if (offset + length > this.body.length) throw broken('has buffers beyond its end');
    return this.body.subarray(offset, offset + length);
  }

  /** Those behind the views of a column, of which there may be any number. */
  nextVariadic(): Uint8Array[] {
    const length = this.variadic[this.view++] ?? 0;
    if (length > this.places.length) throw broken('lacks buffers of its columns');
    return Array.from({ length }, () => this.next());
  }
}

class ColumnReader {
  constructor(
    private readonly buffers: Buffers,
    private readonly dictionaries: Dictionaries,
    /** Of a column within a list, too: nulls have no bytes. */
    private readonly rowsMax: number,
  ) {}

  read(type: ArrowType): Column {
    const [length, nulls] = this.buffers.nextLength();
    if (length > this.rowsMax) throw moreRowsThanBytes();
    if (type.layout === 'null') return { kind: 'null', length };
    const valid = validity(this.buffers.next(), length, nulls);
    const common = valid === undefined ? { length } : { length, valid };
    switch (type.layout) {
      case 'bool':
        return { kind: 'bool', ...common, bits: bits(this.buffers.next(), length) };
      case 'number':
        return { kind: 'number', ...common, type: type.type, values: this.numbers(type.type, length) };
      case 'utf8':
      case 'large_utf8': {
        const offsets = this.offsets(type.layout === 'large_utf8', length);
        const bytes = this.buffers.next();
        if ((offsets[length] as number) > bytes.length) throw broken('has texts beyond their buffer');
        return { kind: 'utf8', ...common, offsets, bytes };
      }
      case 'utf8_view':
        return this.views(common);
      case 'list':
      case 'large_list': {
        const offsets = this.offsets(type.layout === 'large_list', length);
        return { kind: 'list', ...common, offsets, items: this.items(type.item, offsets[length] as number) };
      }
      case 'fixed_list':
        return {
          kind: 'list',
          ...common,
          offsets: type.size,
          items: this.items(type.item, length * type.size),
        };
      case 'dictionary':
        return this.indirect(type.id, type.index, common);
      case 'other':
        throw broken(`has a column of the type ${type.name}`);
    }
  }

  private items(type: ArrowType, needed: number): Column {
    const items = this.read(type);
    if (items.length < needed) throw broken('has lists beyond their items');
    return items;
  }

  private numbers(type: NumberName, length: number): NumberArray | BigIntArray {
    return typed(ELEMENT_TYPES[type].array as ArrayOf<NumberArray>, this.buffers.next(), length);
  }

  /** Ascending from at least 0. */
  private offsets(isLarge: boolean, length: number): Int32Array {
    const bytes = this.buffers.next();
    // A column of no rows may leave its one offset out.
    if (length === 0 && bytes.length === 0) return new Int32Array(1);
    const offsets = isLarge
      ? Int32Array.from(typed(BigInt64Array, bytes, length + 1), smallOffset)
      : typed(Int32Array, bytes, length + 1);
    let last = 0;
    for (const offset of offsets) {
      if (offset < last) throw broken('has offsets that do not ascend');
      last = offset;
    }
    return offsets;
  }

  private indirect(id: number, type: NumberName, common: { length: number; valid?: Uint8Array }): Column {
    const value = this.dictionaries.get(id);
    if (value === undefined) throw broken('comes before the dictionary of one of its columns');
    // Checked before they are narrowed: 2^32 + 1 would be 1.
    const indices = Int32Array.from(this.numbers(type, common.length) as NumberArray, (wide) => {
      const index = Number(wide);
      return index >= 0 && index < value.length ? index : -1;
    });
    for (let row = 0; row < indices.length; row++) {
      if (indices[row] === -1 && (common.valid === undefined || bitAt(common.valid, row))) {
        throw broken('points to values that its dictionary does not have');
      }
    }
    return { kind: 'indirect', ...common, value, indices };
  }

  /** Texts that say themselves where they are: in the view when they are short, in one of several buffers when not. */
  private views(common: { length: number; valid?: Uint8Array }): Column {
    const bytes = this.buffers.next();
    const { length, valid } = common;
    if (bytes.length < VIEW_BYTES * length) throw broken('has fewer values than rows');
    const texts = viewedTexts(bytes, length, this.buffers.nextVariadic());
    for (let row = 0; row < length; row++) {
      if (valid === undefined || bitAt(valid, row)) texts.lengths[row] = texts.text(row).length;
    }
    return {
      kind: 'indirect',
      ...common,
      value: texts,
      indices: Int32Array.from({ length }, (_, row) => row),
    };
  }
}

const VIEW_BYTES = 16;
const INLINE_BYTES = 12;

/** Their lengths are still to be told. */
function viewedTexts(bytes: Uint8Array, length: number, buffers: readonly Uint8Array[]): SharedTexts {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const text = (row: number) => {
    const at = VIEW_BYTES * row;
    const size = view.getInt32(at, true);
    if (size >= 0 && size <= INLINE_BYTES) return bytes.subarray(at + 4, at + 4 + size);
    const buffer = buffers[view.getInt32(at + 8, true)];
    const offset = view.getInt32(at + 12, true);
    if (buffer === undefined || size < 0 || offset < 0 || offset + size > buffer.length) {
      throw broken('has texts beyond their buffer');
    }
    return buffer.subarray(offset, offset + size);
  };
  return { kind: 'texts', length, lengths: new Int32Array(length), text };
}

/** The values of a dictionary, for columns to point into. @throws MalformedArrowError */
export function sharedValues(column: Column): SharedValues {
  if (column.kind === 'number') return column;
  if (column.kind === 'indirect' && column.value.kind === 'texts') {
    return { ...column.value, ...validityOf(column) };
  }
  if (column.kind !== 'utf8') throw broken('has a dictionary of neither texts nor numbers');
  return sharedTexts(column);
}

function sharedTexts(column: TextColumn): SharedTexts {
  const { length, offsets, bytes } = column;
  const text = (index: number) => bytes.subarray(offsets[index], offsets[index + 1]);
  const lengths = Int32Array.from(
    { length },
    (_, at) => (offsets[at + 1] as number) - (offsets[at] as number),
  );
  return { kind: 'texts', length, ...validityOf(column), lengths, text };
}

function validityOf({ valid }: { valid?: Uint8Array }): { valid?: Uint8Array } {
  return valid === undefined ? {} : { valid };
}

function smallOffset(offset: bigint): number {
  if (offset < 0n || offset > 0x7fff_ffffn) throw broken('has offsets beyond its end');
  return Number(offset);
}

function validity(bytes: Uint8Array, length: number, nulls: number): Uint8Array | undefined {
  if (nulls > length) throw broken('has more nulls than rows');
  if (nulls === 0) return undefined;
  return bits(bytes, length);
}

function bits(bytes: Uint8Array, length: number): Uint8Array {
  if (8 * bytes.length < length) throw broken('has fewer values than rows');
  return bytes;
}

type ArrayOf<T> = {
  new (buffer: ArrayBufferLike, offset: number, length: number): T;
  BYTES_PER_ELEMENT: number;
};

/** The values where they are, or a copy where they are not aligned. */
function typed<T extends NumberArray | BigIntArray>(type: ArrayOf<T>, bytes: Uint8Array, length: number): T {
  const width = type.BYTES_PER_ELEMENT;
  if (bytes.length < width * length) throw broken('has fewer values than rows');
  const aligned = bytes.byteOffset % width === 0 ? bytes : Uint8Array.from(bytes);
  return new type(aligned.buffer, aligned.byteOffset, length);
}
