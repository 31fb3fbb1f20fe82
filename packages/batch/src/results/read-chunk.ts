/** Reads stored segments back for the views that cannot be copied: every output, and CSV. */
import type { RowError, RowId } from '../errors.js';
import { type Column, ColumnShape, cellText, columnOf } from './column.js';
import type { Segments } from './encode-chunk.js';
import { errorLine, lineHead } from './line.js';

const UTF8 = new TextDecoder();

/** One row of a result: its prediction as JSON text, or its error. */
export interface ResultRow {
  row: number;
  id?: RowId | null | undefined;
  prediction?: string;
  error?: RowError;
}

export type Outputs = 'primary' | 'all';

/** The rows of a chunk in order. With `all`, a prediction is an object with every output. */
export function* readRows(
  segments: Segments,
  firstRow: number,
  rows: number,
  outputs: Outputs,
): Generator<ResultRow> {
  const errors = new Map(errorsOf(segments).map((error) => [error.row, error]));
  const ids = segments.ids && (JSON.parse(UTF8.decode(segments.ids)) as (RowId | null)[]);
  const predict = outputs === 'all' ? allOutputs(segments) : primaryOutput(segments);
  for (let place = 0; place < rows; place++) {
    const row = firstRow + place;
    const error = errors.get(row);
    const id = ids?.[place] ?? error?.id;
    yield error === undefined ? { row, id, prediction: predict(place) } : { row, id, error };
  }
}

export function errorsOf(segments: Segments): RowError[] {
  return segments.errors === undefined ? [] : (JSON.parse(`[${UTF8.decode(segments.errors)}]`) as RowError[]);
}

export function toLine({ row, id, prediction, error }: ResultRow): string {
  return error === undefined ? `${lineHead(row, id)},"prediction":${prediction}}\n` : errorLine(error);
}

function primaryOutput(segments: Segments): (place: number) => string {
  const values = JSON.parse(`[${UTF8.decode(segments.predictions)}]`) as unknown[];
  return (place) => JSON.stringify(values[place]);
}

function allOutputs(segments: Segments): (place: number) => string {
  const columns = columnsOf(segments);
  return (place) =>
    `{${columns.map((each) => `${JSON.stringify(each.name)}:${cellText(each, place)}`).join(',')}}`;
}

/** The output tensors of a chunk; none when no row was predicted. */
function columnsOf(segments: Segments): Column[] {
  if (segments.columns === undefined) return [];
  const shapes = ColumnShape.array().parse(JSON.parse(UTF8.decode(segments.columns)));
  return shapes.map((shape, index) => columnOf(shape, segments[`column:${index}`] ?? new Uint8Array(0)));
}
