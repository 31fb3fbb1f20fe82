/** A chunk of rows as it is stored: an Arrow IPC stream of one record batch, of plain columns. */
import type { PlainColumn } from '../column.js';
import { type ArrowField, type ValueType, valueTypeOf } from '../ipc/arrow-type.js';
import { readBatch } from '../ipc/batch.js';
import { MessageReader } from '../ipc/message-reader.js';
import { readSchema } from '../ipc/schema.js';
import { type NamedType, writeStream } from '../ipc/writer.js';
import { joinSlices, type Slice } from '../join.js';

/** What was written here is believed. */
const UNBOUNDED = { metadata: Number.POSITIVE_INFINITY, body: Number.POSITIVE_INFINITY };

export interface StoredRows {
  fields: ArrowField[];
  columns: PlainColumn[];
  rows: number;
}

/** @throws MalformedArrowError when the bytes are none that `writeStream` gives */
export function readChunk(bytes: Uint8Array): StoredRows {
  const [schema, batch] = [...new MessageReader(UNBOUNDED).push(bytes)];
  if (schema === undefined || batch === undefined) throw new Error('a stored chunk has no record batch');
  const fields = readSchema(schema.header);
  const { columns, rows } = readBatch(fields, batch.header, batch.body, new Map(), Number.POSITIVE_INFINITY);
  // Nothing in it is indirect: it was joined before it was written.
  return { fields, columns: columns as PlainColumn[], rows };
}

/** Those rows of a chunk, as a chunk. @param places ascending */
export function pickRows(bytes: Uint8Array, places: readonly number[]): Uint8Array {
  const { fields, columns } = readChunk(bytes);
  const runs = runsOf(places);
  const picked = columns.map((column) => joinSlices(runs.map((run): Slice => ({ column, ...run }))));
  const types = fields.map(({ name, type }): NamedType => ({ name, type: valueTypeOf(type) as ValueType }));
  return writeStream(types, picked, places.length);
}

/** Places that follow one another, as runs. */
function runsOf(places: readonly number[]): { start: number; end: number }[] {
  const runs: { start: number; end: number }[] = [];
  for (const place of places) {
    const last = runs.at(-1);
    if (last?.end === place) last.end++;
    else runs.push({ start: place, end: place + 1 });
  }
  return runs;
}
