/** Reads stored segments back for the views that cannot be copied: every output, and CSV. */

import { z } from 'zod';
import type { RowError, RowId } from '../errors.js';
import { cellPrinter } from './cell-text.js';
import { type Column, ColumnHead, readColumn } from './column.js';
import { objectPrinter, type Segments } from './encode-chunk.js';
import { errorLine, lineHead } from './line.js';

const UTF8 = new TextDecoder();

/** One row of a result: its prediction as JSON text, or its error. */
export interface ResultRow {
  row: number;
  id?: RowId | null | undefined;
  prediction?: string;
  error?: RowError;
}

/** `default` is what the manifest shows by default. */
export type Outputs = 'default' | 'primary' | 'all';

/** The rows of a chunk in order. */
export function* readRows(
  segments: Segments,
  firstRow: number,
  rows: number,
  outputs: Outputs,
): Generator<ResultRow> {
  const errors = new Map(errorsOf(segments).map((error) => [error.row, error]));
  const ids = segments.ids && (JSON.parse(UTF8.decode(segments.ids)) as (RowId | null)[]);
  const predict = predictor(segments, outputs);
  for (let place = 0; place < rows; place++) {
    const row = firstRow + place;
    const error = errors.get(row);
    const id = ids?.[place] ?? error?.id;
    yield error === undefined
      ? { row, id, prediction: predict(place, lineHead(row, id)) }
      : { row, id, error };
  }
}

export function errorsOf(segments: Segments): RowError[] {
  return segments.errors === undefined ? [] : (JSON.parse(`[${UTF8.decode(segments.errors)}]`) as RowError[]);
}

export function toLine({ row, id, prediction, error }: ResultRow): string {
  return error === undefined ? `${lineHead(row, id)},"prediction":${prediction}}\n` : errorLine(error);
}

/** The prediction of a row, whose line begins with `head`, as JSON text. */
function predictor(segments: Segments, outputs: Outputs): (place: number, head: string) => string {
  if (outputs === 'default') {
    // Cut out as it was printed: parsed, large integers would lose digits, and the keys of objects their order.
    const lines = UTF8.decode(segments.lines).split('\n');
    return (place, head) => (lines[place] as string).slice(`${head},"prediction":`.length, -1);
  }
  const { primary, columns } = columnsOf(segments);
  if (outputs === 'all') return objectPrinter(columns);
  const column = columns.find(({ head }) => head.name === primary);
  return column === undefined ? () => 'null' : cellPrinter(column);
}

const Columns = z.object({ primary: z.string(), heads: z.array(ColumnHead) });

/** The output tensors of a chunk; none when no row was predicted. */
function columnsOf(segments: Segments): { primary?: string; columns: Column[] } {
  if (segments.columns === undefined) return { columns: [] };
  const { primary, heads } = Columns.parse(JSON.parse(UTF8.decode(segments.columns)));
  const columns = heads.map((head, index) =>
    readColumn(head, segments[`column:${index}`] ?? new Uint8Array(0)),
  );
  return { primary, columns };
}
