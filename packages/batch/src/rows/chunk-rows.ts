/** The rows of a chunk, before and after they are decoded. */
import type { RowError, RowId } from '../errors.js';
import type { LineFormat } from '../split/record-borders.js';
import type { InputRows } from './input-rows.js';
import type { CsvColumn } from './row-reader.js';

export interface DecodedChunk {
  rows: number;
  /** For each input tensor, in the order of the manifest, the rows that could be read, without gaps. */
  inputs: readonly InputRows[];
  /** For each row of the inputs its place in the chunk, ascending from 0. */
  valid: Uint32Array;
  /** By place in the chunk; absent when no row has an id. */
  ids?: (RowId | undefined)[];
  /** In order of `row`, which counts over the whole task. */
  errors: RowError[];
}

export interface ChunkSource {
  format: LineFormat;
  bytes: Uint8Array;
  firstRow: number;
  rows: number;
  /** What the columns hold; CSV only. */
  columns?: readonly CsvColumn[];
}
