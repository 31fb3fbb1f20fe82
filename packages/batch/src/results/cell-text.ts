/** One row's value of a column as JSON text: the bytes of `cell-bytes.ts`, decoded. */
import { ByteWriter } from './byte-writer.js';
import { cellWriter, objectWriter, type WriteCell } from './cell-bytes.js';
import type { Column } from './column.js';

/** What is made room for at first. */
const CELL_BYTES = 256;
const UTF8 = new TextDecoder();

/** @returns the JSON text of a row's value, by row */
export function cellPrinter(column: Column): (row: number) => string {
  return printer(cellWriter(column));
}

/** The same of several outputs, as a JSON object. */
export function objectPrinter(columns: readonly Column[]): (row: number) => string {
  return printer(objectWriter(columns));
}

function printer(write: WriteCell): (row: number) => string {
  const out = new ByteWriter(CELL_BYTES);
  return (row) => {
    out.truncate(0);
    write(row, out);
    return UTF8.decode(out.written());
  };
}
