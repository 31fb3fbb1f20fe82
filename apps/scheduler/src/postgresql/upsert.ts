/** The statement that writes a batch of rows, which come as one JSON list. */
import { quote, quoteTable, tableName } from './identifier.js';

/** @property path where its value is in a row */
export interface UpsertColumn {
  column: string;
  path: readonly string[];
}

/** A function of PostgreSQL takes 100 arguments; each column is two. */
const COLUMNS_AT_ONCE = 50;

/**
 * Each value becomes what the type of its column makes of it: json stays as it is, a list becomes an array. Of two rows
 * of a batch with one key the last is written, as it would be by two batches.
 */
export function upsert(table: string, columns: readonly UpsertColumn[], key: readonly string[]): string {
  const name = quoteTable(tableName(table));
  const keys = key.map(quote).join(', ');
  const names = columns.map(({ column }) => quote(column)).join(', ');
  const values = columns.map(({ column }) => `v.${quote(column)}`).join(', ');
  const keyValues = key.map((column) => `v.${quote(column)}`).join(', ');
  return `INSERT INTO ${name} (${names})
SELECT DISTINCT ON (${keyValues}) ${values}
FROM json_array_elements($1::json) WITH ORDINALITY AS e (line, place),
     ${populated(`NULL::${name}`, columns)} AS v
ORDER BY ${keyValues}, e.place DESC
ON CONFLICT (${keys}) ${onConflict(columns, key)}`;
}

/** A record with the values of a row, put on top of one another as many columns at once as there may be. */
function populated(record: string, columns: readonly UpsertColumn[]): string {
  const members = columns
    .slice(0, COLUMNS_AT_ONCE)
    .map(({ column, path }) => `${literal(column)}, e.line #> ${pathLiteral(path)}`);
  const filled = `json_populate_record(${record}, json_build_object(${members.join(', ')}))`;
  return columns.length > COLUMNS_AT_ONCE ? populated(filled, columns.slice(COLUMNS_AT_ONCE)) : filled;
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
