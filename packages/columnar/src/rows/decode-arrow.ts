/**
 * Turns a stored Arrow chunk into input tensors. Columns of numbers are copied; the rows that this leaves in doubt, and
 * the features that are no numbers, go by the same codec as rows of JSON.
 */
import type { RowError, RowId } from '@millrace/batch/errors';
import type { Manifest } from '@millrace/batch/manifest/manifest';
import type { DecodedChunk } from '@millrace/batch/rows/chunk-rows';
import type { InputRows } from '@millrace/batch/rows/input-rows';
import type { RowProblem, RowReader } from '@millrace/batch/rows/row-reader';
import { planColumns } from './plan.js';
import { RowColumns } from './row-columns.js';
import { readChunk } from './stored-chunk.js';

export interface ArrowChunk {
  bytes: Uint8Array;
  firstRow: number;
  rows: number;
}

export function decodeArrow(
  { bytes, firstRow, rows }: ArrowChunk,
  reader: RowReader,
  manifest: Manifest,
): DecodedChunk {
  const stored = readChunk(bytes);
  if (stored.rows !== rows) throw new Error(`the chunk was split as ${rows} rows and read as ${stored.rows}`);
  const columns = new RowColumns(stored.columns, planColumns(stored.fields, manifest), reader);
  const inputs = reader.allocate(rows);
  const doubtful = columns.fill(inputs, rows);
  const valid = new Uint32Array(rows);
  const errors: RowError[] = [];
  let ids: (RowId | undefined)[] | undefined;
  let validRows = 0;
  for (let row = 0; row < rows; row++) {
    const id = columns.idOf(row);
    const isBadId = typeof id === 'object';
    if (id !== undefined && !isBadId) {
      ids ??= [];
      ids[row] = id;
    }
    const problem = isBadId ? id : doubtful[row] === 0 ? undefined : columns.read(row, inputs);
    if (problem === undefined) {
      moveRow(inputs, row, validRows);
      valid[validRows++] = row;
    } else {
      errors.push(rowError(firstRow + row, problem, isBadId ? undefined : id));
    }
  }
  const decoded: DecodedChunk = { rows, inputs, valid: valid.subarray(0, validRows), errors };
  if (ids !== undefined) decoded.ids = ids;
  return decoded;
}

function rowError(row: number, { code, message }: RowProblem, id: RowId | undefined): RowError {
  return id === undefined ? { row, code, message } : { row, id, code, message };
}

/** Closes the gap that rows which could not be read have left. */
function moveRow(inputs: readonly InputRows[], from: number, to: number): void {
  if (from === to) return;
  for (const input of inputs) {
    if (input.kind === 'packed') {
      const { data, size } = input;
      // Arrays of every kind have it; TypeScript takes the union for none of them.
      (data as Float32Array).copyWithin(to * size, from * size, (from + 1) * size);
    } else {
      input.rows[to] = input.rows[from] as (typeof input.rows)[number];
    }
  }
}
