import { slice } from '@millrace/batch/manifest/element-types';
import { float16Value } from '@millrace/batch/manifest/float16';
import type { Manifest } from '@millrace/batch/manifest/manifest';
import { parseHeader, parseRecord } from '@millrace/batch/rows/csv';
import type { InputRows } from '@millrace/batch/rows/input-rows';
import { RowReader } from '@millrace/batch/rows/row-reader';
import { utf8 } from './byte-pieces.js';

export type Value = number | bigint | string;

/** What the row `row` of an input holds, as numbers that can be compared. */
export function valuesOf(input: InputRows, row: number): Value[] {
  const data =
    input.kind === 'packed'
      ? slice(input.data, row * input.size, (row + 1) * input.size)
      : (input.rows[row]?.data ?? []);
  return Array.from(data as Iterable<Value>, (value) =>
    input.type === 'float16' ? float16Value(value as number) : value,
  );
}

/** The shape of the row `row` of an input. */
export function rowShape(input: InputRows, row: number): readonly number[] {
  return input.kind === 'packed' ? input.shape : (input.rows[row]?.shape ?? []);
}

/** What a row, given as JSON text, comes to: its values, or the problem as `code: message`. */
export function readJson(reader: RowReader, row: string): Value[] | string {
  const inputs = reader.allocate(1);
  const problem = reader.read(JSON.parse(row), inputs, 0);
  return problem === undefined
    ? inputs.flatMap((input) => valuesOf(input, 0))
    : `${problem.code}: ${problem.message}`;
}

/** The same of a CSV record under its header. */
export function readCsv(manifest: Manifest, header: string, record: string): Value[] | string {
  const reader = new RowReader(manifest);
  const inputs = reader.allocate(1);
  const problem = reader.readFields(
    parseRecord(record) ?? [],
    parseHeader(utf8(header), manifest),
    inputs,
    0,
  );
  return problem === undefined
    ? inputs.flatMap((input) => valuesOf(input, 0))
    : `${problem.code}: ${problem.message}`;
}
