/** The statement that writes a batch of rows, which come as one JSON list. */
import { quote, quoteTable, tableName } from './identifier.js';

/** @property path where its value is in a row */
export interface UpsertColumn {
  column: string;
  path: readonly string[];
}

/**
 * Each value becomes what the type of its column makes of it: json stays as it is, a list becomes an array. Of two rows
 * of a batch with one key the last is written, as it would be by two batches.
 */
export function upsert(table: string, columns: readonly UpsertColumn[], key: readonly string[]): string {
  const name = quoteTable(tableName(table));
  const keys = key.map(quote).join(', ');
  const names = columns.map(({ column }) => quote(column)).join(', ');
  const values = columns.map(({ column }) => `v.${quote(column)}`).join(', ');
  const members = columns.map(({ column, path }) => `${literal(column)}, e.line #> ${pathLiteral(path)}`);
  const keyValues = key.map((column) => `v.${quote(column)}`).join(', ');
  return `INSERT INTO ${name} (${names})
SELECT DISTINCT ON (${keyValues}) ${values}
FROM json_array_elements($1::json) WITH ORDINALITY AS e (line, place),
     json_populate_record(NULL::${name}, json_build_object(${members.join(', ')})) AS v
ORDER BY ${keyValues}, e.place DESC
ON CONFLICT (${keys}) ${onConflict(columns, key)}`;
}

function onConflict(columns: readonly UpsertColumn[], key: readonly string[]): string {
  const others = columns.filter(({ column }) => !key.includes(column)).map(({ column }) => quote(column));
  if (others.length === 0) return 'DO NOTHING';
  return `DO UPDATE SET ${others.map((name) => `${name} = EXCLUDED.${name}`).join(', ')}`;
}

function literal(text: string): string {
  return text.includes('\\')
    ? `E'${text.replaceAll('\\', '\\\\').replaceAll("'", "''")}'`
    : `'${text.replaceAll("'", "''")}'`;
}

function pathLiteral(path: readonly string[]): string {
  return `ARRAY[${path.map(literal).join(', ')}]`;
}
