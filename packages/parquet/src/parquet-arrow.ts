/** Reads a Parquet file as Arrow streams of one record batch each. */

import { bitsOf } from '@millrace/columnar/bits';
import type { Column } from '@millrace/columnar/column';
import type { ArrowField, ArrowType } from '@millrace/columnar/ipc/arrow-type';
import { ColumnChunker } from '@millrace/columnar/rows/column-chunker';
import type { SchemaTree } from 'hyparquet';
import { leafOf } from './parquet-column.js';
import { openParquet } from './parquet-file.js';
import { type LeafReader, leafReader } from './parquet-leaf.js';
import type { RandomAccess } from './random-access.js';

const MIB = 1024 * 1024;
/** Of a stream. A row may have as many bytes as may be allowed anywhere; it is in memory whole. */
const BOUNDS = { maxRows: 65_536, maxBytes: 4 * MIB, maxRowBytes: 64 * MIB };

/** @throws Error that says what is wrong with the file */
export async function* arrowOf(file: RandomAccess): AsyncGenerator<Uint8Array> {
  const parquet = await openParquet(file);
  const readers = parquet.columns.map(columnReader);
  const chunker = new ColumnChunker(readers, BOUNDS);
  for await (const { values, rows } of parquet.parts()) {
    const columns = readers.map(({ read }, at) => read(values[at] ?? []));
    for (const { bytes } of chunker.add({ columns, rows })) yield bytes;
  }
  for (const { bytes } of chunker.end()) yield bytes;
}

interface ColumnReader extends ArrowField {
  read(values: ArrayLike<unknown>): Column;
}

function columnReader(column: SchemaTree): ColumnReader {
  const { name } = column.element;
  try {
    const leaf = leafReader(leafOf(column).element);
    const depth = depthOf(column);
    const type = Array.from({ length: depth }).reduce<ArrowType>(
      (item) => ({ layout: 'list', item }),
      leaf.type,
    );
    return { name, type, read: (values) => readNested(values, depth, leaf) };
  } catch (error) {
    throw new Error(`no row can have the column "${name}": ${(error as Error).message}`, { cause: error });
  }
}

/** How many lists are within one another. */
function depthOf(column: SchemaTree | undefined): number {
  if (column === undefined) return 0;
  return (column.element.repetition_type === 'REPEATED' ? 1 : 0) + depthOf(column.children[0]);
}

function readNested(values: ArrayLike<unknown>, depth: number, leaf: LeafReader): Column {
  const { length } = values;
  const isThere = (at: number) => values[at] !== null && values[at] !== undefined;
  const valid = bitsOf(length, isThere);
  if (depth === 0) return { ...leaf.read(values, isThere), valid };
  const offsets = new Int32Array(length + 1);
  const items: unknown[] = [];
  for (let at = 0; at < length; at++) {
    if (isThere(at)) for (const item of values[at] as unknown[]) items.push(item);
    offsets[at + 1] = items.length;
  }
  return { kind: 'list', length, valid, offsets, items: readNested(items, depth - 1, leaf) };
}
