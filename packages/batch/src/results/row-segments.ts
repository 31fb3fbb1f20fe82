/** The segments of a chunk that hold something of every row, written in one pass over them. */
import type { RowError, RowId } from '../errors.js';
import { ByteWriter } from './byte-writer.js';
import { cellWriter, objectWriter, type WriteCell } from './cell-bytes.js';
import type { ChunkOutcome, ShownOutputs } from './chunk-outcome.js';
import type { Column } from './column.js';
import { errorLine } from './line.js';

const UTF8 = new TextEncoder();
const COMMA = 0x2c;
const OPEN_ARRAY = 0x5b;
const CLOSE_ARRAY = 0x5d;
const NULL = UTF8.encode('null');
const ROW_KEY = UTF8.encode('{"row":');
const ID_KEY = UTF8.encode(',"id":');
const PREDICTION_KEY = UTF8.encode(',"prediction":');
const LINE_END = UTF8.encode('}\n');

/** What is made room for at first, for each row. */
const PREDICTION_BYTES = 8;
const LINE_BYTES = 48;
const ID_BYTES = 12;

export interface RowSegments {
  predictions: Uint8Array;
  lines: Uint8Array;
  /** Absent when no row has one. */
  ids?: Uint8Array;
}

/** @param errors of all rows that have no prediction, in order of `row` */
export function rowSegments(outcome: ChunkOutcome, errors: readonly RowError[]): RowSegments {
  const { firstRow, rows, ids } = outcome;
  const write = predictionWriter(outcome.columns, outcome.shown);
  const predictions = new ByteWriter(rows * PREDICTION_BYTES);
  const lines = new ByteWriter(rows * LINE_BYTES);
  let nextError = 0;
  for (let place = 0; place < rows; place++) {
    const row = firstRow + place;
    if (place > 0) predictions.byte(COMMA);
    const error = errors[nextError];
    if (error?.row === row) {
      nextError++;
      predictions.append(NULL);
      lines.text(errorLine(error));
      continue;
    }
    const start = predictions.length;
    write(place, predictions);
    lines.append(ROW_KEY);
    lines.number(row);
    const id = ids?.[place];
    if (id !== undefined) {
      lines.append(ID_KEY);
      writeId(id, lines);
    }
    lines.append(PREDICTION_KEY);
    lines.copy(predictions, start);
    lines.append(LINE_END);
  }
  const segments = { predictions: predictions.written(), lines: lines.written() };
  return ids === undefined ? segments : { ...segments, ids: idList(ids) };
}

/** The ids as a JSON list, with `null` for a row that has none. */
function idList(ids: readonly (RowId | undefined)[]): Uint8Array {
  const list = new ByteWriter(ids.length * ID_BYTES);
  list.byte(OPEN_ARRAY);
  for (let place = 0; place < ids.length; place++) {
    if (place > 0) list.byte(COMMA);
    const id = ids[place];
    if (id === undefined) list.append(NULL);
    else writeId(id, list);
  }
  list.byte(CLOSE_ARRAY);
  return list.written();
}

function writeId(id: RowId, out: ByteWriter): void {
  if (typeof id === 'number') out.number(id);
  else out.string(id);
}

/** The prediction of a row: the primary output, or an object of the outputs shown by default. */
function predictionWriter(
  columns: readonly Column[],
  { primary, default_outputs: names }: ShownOutputs,
): WriteCell {
  const shown = (names ?? [primary]).flatMap((name) => columns.find(({ head }) => head.name === name) ?? []);
  return names === undefined && shown[0] !== undefined ? cellWriter(shown[0]) : objectWriter(shown);
}
