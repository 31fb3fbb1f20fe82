/** Arrow streams as rows, read by Arrow's own library. */
import { tableFromIPC, Vector } from 'apache-arrow';

export type ArrowRow = Record<string, unknown>;

/** Every row as an object by column. 64-bit integers are bigints, lists arrays. */
export function arrowRows(bytes: Uint8Array): ArrowRow[] {
  const table = tableFromIPC(bytes);
  const columns = table.schema.fields.map(({ name }) => ({ name, vector: table.getChild(name) as Vector }));
  return Array.from({ length: table.numRows }, (_, row) =>
    Object.fromEntries(columns.map(({ name, vector }) => [name, plain(vector.get(row))])),
  );
}

function plain(value: unknown): unknown {
  return value instanceof Vector ? Array.from(value, plain) : value;
}
