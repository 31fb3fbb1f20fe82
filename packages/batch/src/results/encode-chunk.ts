/** Encodes what a chunk came to, in the bytes that the common reads stream out. */
import { outcomeOf, type RowCode, type RowError } from '../errors.js';
import type { ChunkOutcome } from './chunk-outcome.js';
import { columnBytes } from './column.js';
import { type ErrorGroups, groupErrors } from './error-groups.js';
import { hasNonFinite, isRowNonFinite } from './non-finite.js';
import { rowSegments } from './row-segments.js';

/**
 * What is stored of a chunk, by name. `predictions` and `errors` are JSON list members joined by commas, `lines` is
 * NDJSON, both with the outputs that are shown by default; `columns` says how the raw `column:<i>` are to be read, `ids`
 * is a JSON list. `errors` and `ids` are absent when there are none, the columns when no row was predicted.
 */
export type Segments = Record<string, Uint8Array>;

export interface ChunkResult {
  counts: { succeeded: number; invalid: number; failed: number };
  segments: Segments;
  /** Absent when every row was predicted. Their counts sum to those of `invalid` and `failed`. */
  errorGroups?: ErrorGroups;
}

const UTF8 = new TextEncoder();

export function encodeChunk(outcome: ChunkOutcome): ChunkResult {
  const { rows, columns } = outcome;
  const errors = withNonFinite(outcome);
  const counts = { succeeded: rows - errors.length, invalid: 0, failed: 0 };
  for (const error of errors) counts[outcomeOf(error.code)]++;

  const segments: Segments = { ...rowSegments(outcome, errors) };
  if (errors.length > 0)
    segments.errors = UTF8.encode(errors.map((error) => JSON.stringify(error)).join(','));
  if (counts.succeeded > 0) {
    const heads = columns.map(({ head }) => head);
    const { primary, default_outputs } = outcome.shown;
    segments.columns = UTF8.encode(JSON.stringify({ primary, default_outputs, heads }));
    columns.forEach((column, index) => {
      segments[`column:${index}`] = columnBytes(column);
    });
  }
  return errors.length === 0 ? { counts, segments } : { counts, segments, errorGroups: groupErrors(errors) };
}

/** The result of a chunk that could not be processed at all: the same error for every row. */
export function encodeFailedChunk(
  firstRow: number,
  rows: number,
  code: RowCode,
  message: string,
): ChunkResult {
  const errors = Array.from({ length: rows }, (_, place) => ({ row: firstRow + place, code, message }));
  return encodeChunk({ firstRow, rows, errors, columns: [], shown: { primary: '' } });
}

/** Adds an error for every predicted row with a NaN or an infinity in any output; keeps the order of rows. */
function withNonFinite({ firstRow, rows, ids, errors, columns }: ChunkOutcome): readonly RowError[] {
  // One look at all values spares those at each row, for there is hardly ever one.
  const suspects = columns.filter(hasNonFinite);
  if (suspects.length === 0) return errors;
  const unpredicted = new Set(errors.map((error) => error.row));
  const found: RowError[] = [];
  for (let place = 0; place < rows; place++) {
    const column = suspects.find((each) => isRowNonFinite(each, place));
    if (column === undefined || unpredicted.has(firstRow + place)) continue;
    const error: RowError = {
      row: firstRow + place,
      code: 'non_finite_output',
      message: `the model's output "${column.head.name}" is not a finite number`,
    };
    const id = ids?.[place];
    found.push(id === undefined ? error : { ...error, id });
  }
  return found.length === 0 ? errors : [...errors, ...found].sort((a, b) => a.row - b.row);
}
