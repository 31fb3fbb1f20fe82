/** Reads stored segments back for the views that cannot be copied: every output, and rows that are merged or paged. */

import { z } from 'zod';
import type { RowError, RowId } from '../errors.js';
import { cellPrinter, objectPrinter } from './cell-text.js';
import { type Column, ColumnHead, readColumn } from './column.js';
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
  const ids = idsOf(segments);
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
  const columns = columnsOf(segments, outputs);
  if (outputs === 'all') return objectPrinter(columns);
  const [column] = columns;
  return column === undefined ? () => 'null' : cellPrinter(column);
}

const Columns = z.object({
  primary: z.string(),
  default_outputs: z.array(z.string()).optional(),
  heads: z.array(ColumnHead),
});

/** How the output tensors of a chunk are to be read; undefined when no row was predicted. */
export function headsOf(segments: Segments, outputs: Outputs): ColumnHead[] | undefined {
  return segments.columns && shownHeads(segments.columns, outputs).map(({ head }) => head);
}

/** The segments of any chunk of the version that have its shown tensors, ids and errors; undefined as of `headsOf`. */
export function segmentsOf(segments: Segments, outputs: Outputs): string[] | undefined {
  const shown = segments.columns && shownHeads(segments.columns, outputs);
  return shown && ['errors', 'ids', 'columns', ...shown.map(({ index }) => `column:${index}`)];
}

/** The output tensors of a chunk that are shown; none when no row was predicted. */
export function columnsOf(segments: Segments, outputs: Outputs): Column[] {
  if (segments.columns === undefined) return [];
  return shownHeads(segments.columns, outputs).map(({ head, index }) =>
    readColumn(head, segments[`column:${index}`] ?? new Uint8Array(0)),
  );
}

function shownHeads(segment: Uint8Array, outputs: Outputs): { head: ColumnHead; index: number }[] {
  const { primary, default_outputs: names, heads } = Columns.parse(JSON.parse(UTF8.decode(segment)));
  const all = heads.map((head, index) => ({ head, index }));
  if (outputs === 'all') return all;
  const shown = outputs === 'primary' ? [primary] : (names ?? [primary]);
  return shown.flatMap((name) => all.find(({ head }) => head.name === name) ?? []);
}

/** The clients' own names for the rows of a chunk, by place; undefined when none has one. */
export function idsOf(segments: Segments): (RowId | null)[] | undefined {
  return segments.ids && (JSON.parse(UTF8.decode(segments.ids)) as (RowId | null)[]);
}
