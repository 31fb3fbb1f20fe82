/** Reads a Parquet file as NDJSON lines. */
import type { SchemaTree } from 'hyparquet';
import { columnPrinter, type PrintValue } from './parquet-column.js';
import { openParquet } from './parquet-file.js';
import type { RandomAccess } from './random-access.js';

const PIECE_CHARACTERS = 64 * 1024;

/** @param valuesMax as of `openParquet` @throws Error that says what is wrong with the file */
export async function* linesOf(file: RandomAccess, valuesMax?: number): AsyncGenerator<Uint8Array> {
  const parquet = await openParquet(file, valuesMax);
  const columns = printedColumns(parquet.columns);
  for await (const { values, rows } of parquet.parts()) yield* printRows(columns, values, rows);
}

interface Column {
  name: string;
  print: PrintValue;
}

function printedColumns(columns: readonly SchemaTree[]): Column[] {
  return columns.map((column) => {
    const { name } = column.element;
    try {
      return { name, print: columnPrinter(column) };
    } catch (error) {
      throw new Error(`no row can have the column "${name}": ${(error as Error).message}`, { cause: error });
    }
  });
}

function* printRows(
  columns: readonly Column[],
  values: readonly ArrayLike<unknown>[],
  rows: number,
): Generator<Uint8Array> {
  const members = columns.map(({ name, print }, index) => {
    const head = `${index === 0 ? '' : ','}${JSON.stringify(name)}:`;
    const cells = values[index] ?? [];
    return (row: number) => {
      try {
        return head + print(cells[row]);
      } catch (error) {
        throw new Error(`the column "${name}" has a value that is none: ${(error as Error).message}`, {
          cause: error,
        });
      }
    };
  });
  let text = '';
  for (let row = 0; row < rows; row++) {
    text += '{';
    for (const member of members) text += member(row);
    text += '}\n';
    if (text.length >= PIECE_CHARACTERS) {
      yield Buffer.from(text);
      text = '';
    }
  }
  if (text !== '') yield Buffer.from(text);
}
