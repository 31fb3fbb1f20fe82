/**
 * Turns a stored Arrow chunk into input tensors. Columns of numbers are copied; the rows that this leaves in doubt, and
 * the features that are no numbers, go by the same codec as rows of JSON.
 */
import type { Manifest } from '@millrace/batch/manifest/manifest';
import type { DecodedChunk } from '@millrace/batch/rows/chunk-rows';
import type { InputRows } from '@millrace/batch/rows/input-rows';
import { RowCollector } from '@millrace/batch/rows/row-collector';
import type { RowReader } from '@millrace/batch/rows/row-reader';
import { planColumns } from './plan.js';
import { RowColumns } from './row-columns.js';
import { readChunk } from './stored-chunk.js';

export interface ArrowChunk {
  bytes: Uint8Array;
  firstRow: number;
  rows: number;
}

export function decodeArrow(chunk: ArrowChunk, reader: RowReader, manifest: Manifest): DecodedChunk {
  const { rows } = chunk;
  const stored = readChunk(chunk.bytes);
  if (stored.rows !== rows) throw new Error(`the chunk was split as ${rows} rows and read as ${stored.rows}`);
  const columns = new RowColumns(stored.columns, planColumns(stored.fields, manifest), reader);
  const collector = new RowCollector(chunk, reader);
  const { inputs } = collector;
  const doubtful = columns.fill(inputs, rows);
  for (let row = 0; row < rows; row++) {
    const id = columns.idOf(row);
    if (typeof id === 'object') {
      collector.reject(id);
      continue;
    }
    const problem = doubtful[row] === 0 ? undefined : columns.read(row, inputs);
    if (problem === undefined) {
      moveRow(inputs, row, collector.validRows);
      collector.accept(id);
    } else {
      collector.reject(problem, id);
    }
  }
  return collector.finish();
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
