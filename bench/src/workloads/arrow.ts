/** Rows as an Arrow IPC stream, as one who has a data frame sends them. */
import {
  type Data,
  Field,
  Float32,
  makeData,
  RecordBatch,
  RecordBatchStreamWriter,
  Schema,
  Struct,
} from 'apache-arrow';
import { countRows, type NumberRows } from './rows.js';

const BATCH_ROWS = 65_536;

/** A column of float32 for each name, in record batches of 65,536 rows. */
export function arrowStream(rows: NumberRows): Uint8Array {
  const schema = new Schema(rows.names.map((name) => new Field(name, new Float32(), false)));
  const writer = new RecordBatchStreamWriter();
  writer.reset(undefined, schema);
  const count = countRows(rows);
  for (let start = 0; start < count; start += BATCH_ROWS) {
    const length = Math.min(BATCH_ROWS, count - start);
    const children = rows.names.map((_, at) => columnOf(rows, at, start, length));
    const type = new Struct(schema.fields);
    writer.write(new RecordBatch(schema, makeData({ type, length, nullCount: 0, children })));
  }
  writer.finish();
  return writer.toUint8Array(true);
}

function columnOf({ names, values }: NumberRows, at: number, start: number, length: number): Data<Float32> {
  const data = new Float32Array(length);
  for (let row = 0; row < length; row++) data[row] = values[(start + row) * names.length + at] as number;
  return makeData({ type: new Float32(), data, nullCount: 0 });
}
