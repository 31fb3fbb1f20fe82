/** Rows of a query, read with a cursor in one snapshot. PostgreSQL itself writes each as a line of JSON. */
import type { Connections } from '../connections/connections.js';
import { failureOf, messageOf } from '../postgresql/failure.js';
import { Session } from '../postgresql/session.js';
import { RunError } from '../run-error.js';
import type { OpenSource } from './source.js';

/** With its templates filled in; the query has none, its parameters do. */
export interface PostgresqlSource {
  kind: 'postgresql';
  connection: string;
  query: string;
  /** Bound as `$1`, `$2`, …, of the types that the query gives them. */
  parameters?: readonly (string | number | boolean | null)[] | undefined;
}

interface Deps {
  connections: Connections;
}

/** What one fetch should bring: it is all that is held of the rows. */
const FETCH_BYTES = 1_048_576;
const FIRST_FETCH_ROWS = 100;
const MAX_FETCH_ROWS = 2_000;
/** `bytea` and `bytea[]` in the server's catalogue of types. */
const BYTES = new Set([17, 1001]);

/**
 * Integers and decimals come with all their digits, timestamps as ISO 8601 in UTC, json as it is, arrays as lists.
 * @returns rows that hold a connection until they are read to the end or given up, or the signal aborts
 */
export const openPostgresqlSource: OpenSource<PostgresqlSource, Deps> = async (
  source,
  { connections },
  { signal },
) => {
  const pool = connections.postgresql(source.connection);
  const session = await naming(source, signal, () => Session.open(pool, signal));
  try {
    await naming(source, signal, () => declareCursor(session, source));
  } catch (error) {
    await session.close(false);
    throw error;
  }
  return { format: 'ndjson', bytes: lines(session, source, signal) };
};

async function declareCursor(session: Session, { query, parameters = [] }: PostgresqlSource): Promise<void> {
  await session.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
  await session.query("SELECT set_config('timezone', 'UTC', true), set_config('datestyle', 'ISO', true)");
  // All rows are read: a plan that is quick to bring the first ones is not wanted.
  await session.query("SELECT set_config('cursor_tuple_fraction', '1', true)");
  const table = `(${withoutEnd(query)}\n) AS r`;
  checkColumns(await session.query(`SELECT * FROM ${table} LIMIT 0`, parameters));
  await session.query(
    `DECLARE source NO SCROLL CURSOR FOR SELECT row_to_json(r)::text FROM ${table}`,
    parameters,
  );
}

/** A semicolon at the end, which people are used to, would end the statement around the query as well. */
function withoutEnd(query: string): string {
  let end = query.length;
  while (end > 0 && /[;\s]/.test(query.charAt(end - 1))) end--;
  return query.slice(0, end);
}

function checkColumns({ names, types }: { names: string[]; types: number[] }): void {
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw malformed(`the query has two columns "${twice}"; rename one with AS`);
  const bytes = names.find((_, index) => BYTES.has(types[index] as number));
  if (bytes !== undefined) {
    throw malformed(`the column "${bytes}" is bytea, which a row cannot hold; encode it, or leave it out`);
  }
}

async function* lines(
  session: Session,
  source: PostgresqlSource,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  let isClean = false;
  try {
    let wanted = FIRST_FETCH_ROWS;
    for (;;) {
      const fetch = `FETCH FORWARD ${wanted} FROM source`;
      const { rows } = await naming(source, signal, () => session.query(fetch));
      if (rows.length === 0) break;
      const bytes = Buffer.from(rows.map(([line]) => `${oneLine(line ?? 'null')}\n`).join(''));
      wanted = rowsToFetch(bytes.length / rows.length);
      yield bytes;
    }
    await naming(source, signal, () => session.query('COMMIT'));
    isClean = true;
  } finally {
    await session.close(isClean);
  }
}

function rowsToFetch(bytesPerRow: number): number {
  return Math.max(1, Math.min(MAX_FETCH_ROWS, Math.floor(FETCH_BYTES / bytesPerRow)));
}

/** A value of type json keeps its line breaks, which can only stand between its tokens. */
function oneLine(json: string): string {
  return json.includes('\n') || json.includes('\r') ? json.replace(/[\r\n]/g, ' ') : json;
}

async function naming<Value>(
  { connection }: PostgresqlSource,
  signal: AbortSignal,
  work: () => Promise<Value>,
): Promise<Value> {
  try {
    return await work();
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof RunError) throw error;
    const message = messageOf(error);
    switch (failureOf(error)) {
      case 'refused':
        throw malformed(`PostgreSQL refuses the query: ${message}`, error);
      case 'not_allowed':
        throw new RunError('source_not_allowed', `"${connection}" may not read this: ${message}`, false, {
          cause: error,
        });
      case 'unavailable':
        throw new RunError('source_unreadable', `"${connection}" could not be read: ${message}`, true, {
          cause: error,
        });
    }
  }
}

function malformed(message: string, cause?: unknown): RunError {
  return new RunError('source_malformed', message, false, { cause });
}
