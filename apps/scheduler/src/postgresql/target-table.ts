/** Whether a table can take what a sink is to write: asked of the server's catalogue before the first row. */
import { didYouMean } from '@millrace/batch/did-you-mean';
import { quoteTable, tableName } from './identifier.js';
import type { Session } from './session.js';

export interface Target {
  /** As the sink spells it: `table` or `schema.table`. */
  table: string;
  columns: readonly string[];
  /** Upserted by these columns. */
  key: readonly string[];
}

interface Column {
  name: string;
  isNullable: boolean;
  /** What an insert that leaves it out cannot do. */
  mustBeGiven: boolean;
}

/** What is wrong with it, for a person; undefined when it can be written. */
export async function refusalOf(session: Session, target: Target): Promise<string | undefined> {
  const quoted = quoteTable(tableName(target.table));
  const { rows } = await session.query('SELECT oid, relkind FROM pg_class WHERE oid = to_regclass($1)', [
    quoted,
  ]);
  const [oid, kind] = rows[0] ?? [];
  if (typeof oid !== 'string') {
    return `there is no table "${target.table}"${didYouMean(target.table, await tablesOf(session))}`;
  }
  if (kind !== 'r' && kind !== 'p') return `"${target.table}" is not a table`;
  const columns = await columnsOf(session, oid);
  return refusalOfColumns(columns, target) ?? refusalOfKey(columns, await uniqueKeysOf(session, oid), target);
}

function refusalOfColumns(
  columns: readonly Column[],
  { table, columns: written, key }: Target,
): string | undefined {
  const names = columns.map(({ name }) => name);
  const unknown = written.find((name) => !names.includes(name));
  if (unknown !== undefined) {
    return `the table "${table}" has no column "${unknown}"${didYouMean(unknown, names)}`;
  }
  const notWritten = key.find((name) => !written.includes(name));
  if (notWritten !== undefined)
    return `the key has "${notWritten}", which is not one of the columns to write`;
  const missing = columns.find(({ name, mustBeGiven }) => mustBeGiven && !written.includes(name));
  if (missing !== undefined) {
    return `the column "${missing.name}" of "${table}" must have a value, and nothing is to be written into it`;
  }
  return undefined;
}

function refusalOfKey(
  columns: readonly Column[],
  uniqueKeys: readonly string[][],
  { table, key }: Target,
): string | undefined {
  const spelled = key.join(', ');
  const isUnique = uniqueKeys.some(
    (unique) => unique.length === key.length && key.every((name) => unique.includes(name)),
  );
  if (!isUnique) {
    return `the table "${table}" has no unique constraint on exactly its key (${spelled}), by which a row that is written again is known`;
  }
  const nullable = columns.find(({ name, isNullable }) => isNullable && key.includes(name));
  if (nullable !== undefined) {
    return `the column "${nullable.name}" of the key (${spelled}) may be null, and such rows would be written twice; make it NOT NULL`;
  }
  return undefined;
}

/** With their schema where the search path does not lead to them. */
async function tablesOf(session: Session): Promise<string[]> {
  const { rows } = await session.query(
    `SELECT n.nspname || '.' || c.relname, CASE WHEN pg_table_is_visible(c.oid) THEN c.relname END
     FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relkind IN ('r', 'p') AND n.nspname NOT IN ('pg_catalog', 'information_schema') LIMIT 1000`,
  );
  return rows.flat().filter((name) => name !== null);
}

async function columnsOf(session: Session, oid: string): Promise<Column[]> {
  const { rows } = await session.query(
    `SELECT attname, NOT attnotnull, attnotnull AND NOT atthasdef AND attidentity = ''
     FROM pg_attribute WHERE attrelid = $1 AND attnum > 0 AND NOT attisdropped`,
    [oid],
  );
  return rows.map(([name, isNullable, mustBeGiven]) => ({
    name: name ?? '',
    isNullable: isNullable === 't',
    mustBeGiven: mustBeGiven === 't',
  }));
}

/** Those that ON CONFLICT can use: whole, checked at once, of plain columns. */
async function uniqueKeysOf(session: Session, oid: string): Promise<string[][]> {
  const { rows } = await session.query(
    `SELECT (SELECT json_agg(a.attname) FROM unnest(i.indkey[0:i.indnkeyatts - 1]) AS k (attnum)
             JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum)
     FROM pg_index i
     WHERE i.indrelid = $1 AND i.indisunique AND i.indimmediate AND i.indisvalid
       AND i.indpred IS NULL AND i.indexprs IS NULL`,
    [oid],
  );
  return rows.map(([names]) => JSON.parse(names ?? '[]') as string[]);
}
