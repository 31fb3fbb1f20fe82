/** Rows of a result as the columns of a record batch. */
import type { RowError, RowId } from '@millrace/batch/errors';
import { slice } from '@millrace/batch/manifest/element-types';
import { sizeOf } from '@millrace/batch/manifest/feature';
import { ColumnBuilder, type ColumnHead, type Column as OutputColumn } from '@millrace/batch/results/column';
import type { Segments } from '@millrace/batch/results/encode-chunk';
import { columnsOf, errorsOf, idsOf, type Outputs } from '@millrace/batch/results/read-chunk';
import { bitsOf } from '../bits.js';
import type { NumberColumn, PlainColumn } from '../column.js';
import { batchMessage, join } from '../ipc/writer.js';
import { textColumn } from '../text-column.js';
import { emptyColumn, toArrow } from './output-column.js';
import { outputType, rankOf } from './result-schema.js';

/** One row, and where its values are. */
export interface ResultCells {
  row: number;
  id: RowId | null | undefined;
  error?: RowError | undefined;
  columns: readonly OutputColumn[];
  /** Among the rows of these columns. */
  place: number;
}

/** The rows of a chunk in order. */
export function* readCells(
  segments: Segments,
  firstRow: number,
  rows: number,
  outputs: Outputs,
): Generator<ResultCells> {
  const errors = new Map(errorsOf(segments).map((error) => [error.row, error]));
  const ids = idsOf(segments);
  const columns = columnsOf(segments, outputs);
  for (let place = 0; place < rows; place++) {
    const row = firstRow + place;
    const error = errors.get(row);
    yield { row, id: ids?.[place] ?? error?.id, error, columns, place };
  }
}

/** @param heads of the outputs, as in the schema @param rows that follow one another */
export function resultBatch(heads: readonly ColumnHead[], rows: readonly ResultCells[]): Uint8Array {
  const isPredicted = ({ error }: ResultCells) => error === undefined;
  const valid = rows.every(isPredicted)
    ? undefined
    : bitsOf(rows.length, (at) => isPredicted(rows[at] as ResultCells));
  const outputs = heads.map((head, at) => {
    const column = outputColumn(head, at, rows);
    return valid === undefined ? column : { ...column, valid };
  });
  const columns: PlainColumn[] = [
    rowNumbers(rows[0]?.row ?? 0, rows.length),
    textColumn(rows.map(({ id }) => (id === null || id === undefined ? undefined : String(id)))),
    ...outputs,
    textColumn(rows.map(({ error }) => error?.code)),
    textColumn(rows.map(({ error }) => error?.message)),
  ];
  return join(batchMessage(columns, rows.length));
}

/** In place of all rows, when the task as a whole came to nothing. */
export function taskErrorBatch(
  heads: readonly ColumnHead[],
  error: { code: string; message: string },
): Uint8Array {
  const none = new Uint8Array(1);
  const columns: PlainColumn[] = [
    { ...rowNumbers(0, 1), valid: none },
    textColumn([undefined]),
    ...heads.map((head) => ({ ...emptyColumn(outputType(head), 1), valid: none })),
    textColumn([error.code]),
    textColumn([error.message]),
  ];
  return join(batchMessage(columns, 1));
}

function rowNumbers(first: number, length: number): NumberColumn {
  const values = new BigInt64Array(length);
  const halves = new Uint32Array(values.buffer);
  for (let at = 0; at < length; at++) {
    halves[2 * at] = first + at;
    halves[2 * at + 1] = Math.floor((first + at) / 2 ** 32);
  }
  return { kind: 'number', length, type: 'int64', values };
}

function outputColumn(head: ColumnHead, at: number, rows: readonly ResultCells[]): PlainColumn {
  const type = outputType(head);
  const stored = wholeColumn(at, rows);
  if (stored !== undefined) return toArrow(stored, type, rows.length);
  const gathered = gather(head, at, rows);
  return gathered === undefined ? emptyColumn(type, rows.length) : toArrow(gathered, type, rows.length);
}

/** The stored column, when the rows are all of one chunk and not some of several. */
function wholeColumn(at: number, rows: readonly ResultCells[]): OutputColumn | undefined {
  const [first] = rows;
  const column = first?.columns[at];
  if (column === undefined) return undefined;
  const isWhole = rows.every(({ columns }) => columns === first?.columns);
  return isWhole && rowsOf(column) === rows.length ? column : undefined;
}

function rowsOf({ head, data }: OutputColumn): number {
  if (head.shapes !== undefined) return head.shapes.length;
  const size = sizeOf(head.shape ?? []) ?? 0;
  return size === 0 ? 0 : data.length / size;
}

/** The values of rows from several chunks; undefined when none has any. */
function gather(head: ColumnHead, at: number, rows: readonly ResultCells[]): OutputColumn | undefined {
  const isAnyThere = rows.some(({ error, columns }) => error === undefined && columns[at] !== undefined);
  if (!isAnyThere) return undefined;
  const shape = Array.from({ length: rankOf(head) }, () => null);
  const builder = new ColumnBuilder({ ...head, shape }, rows.length);
  rows.forEach(({ error, columns, place }, row) => {
    const column = columns[at];
    if (error !== undefined || column === undefined) return;
    const { start, shape: rowShape } = column.place(place);
    const end = start + (sizeOf(rowShape) ?? 0);
    builder.add(Uint32Array.of(row), slice(column.data, start, end), rowShape);
  });
  return builder.finish();
}
