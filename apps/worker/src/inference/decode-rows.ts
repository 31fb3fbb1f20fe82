/** Rows that are no chunk: samples, examples, what is measured. */
import type { DecodedChunk } from '@millrace/batch/rows/chunk-rows';
import type { RowReader } from '@millrace/batch/rows/row-reader';

/** @throws Error that names the first row that is not one of the model */
export function decodeRows(rows: readonly unknown[], reader: RowReader): DecodedChunk {
  const inputs = reader.allocate(rows.length);
  rows.forEach((row, index) => {
    const problem = reader.read(row, inputs, index);
    if (problem !== undefined) throw new Error(`sample ${index} is no valid row: ${problem.message}`);
  });
  return { rows: rows.length, inputs, valid: Uint32Array.from(rows.keys()), errors: [] };
}
