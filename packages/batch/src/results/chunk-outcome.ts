/** What a chunk came to, before it is encoded. */
import type { RowError, RowId } from '../errors.js';
import type { Manifest } from '../manifest/manifest.js';
import type { Column } from './column.js';

export interface ChunkOutcome {
  firstRow: number;
  rows: number;
  ids?: (RowId | undefined)[];
  /** Rows that were not predicted. */
  errors: readonly RowError[];
  columns: readonly Column[];
  shown: ShownOutputs;
}

/** Which outputs a prediction shows: the primary one bare, or several by name. */
export type ShownOutputs = Pick<Manifest, 'primary' | 'default_outputs'>;
