/** Writes results into a table: upserts in batches, one transaction for each chunk of rows. */
import type { ResultRow } from '@millrace/batch/results/read-chunk';
import type { Connections } from '../connections/connections.js';
import { failureOf, messageOf } from '../postgresql/failure.js';
import { Session } from '../postgresql/session.js';
import { refusalOf } from '../postgresql/target-table.js';
import { upsert } from '../postgresql/upsert.js';
import { RunError } from '../run-error.js';
import { type ColumnPath, checkOutputs, columnPaths, outputsOf } from './columns.js';
import type { RunOutput, SinkContext, WriteSink, Written } from './sink.js';

export interface PostgresqlSink {
  kind: 'postgresql';
  connection: string;
  /** `table` or `schema.table`, each name as it is, capitals among it. */
  table: string;
  /** Column of the table → what of a row goes into it. */
  columns: Readonly<Record<string, string>>;
  /** Columns with a unique constraint, by which a row that is written again is known. */
  key: readonly string[];
}

interface Deps {
  connections: Connections;
}

/** Of one statement. */
const BATCH_BYTES = 1_048_576;
const BATCH_ROWS = 5_000;

/**
 * Goes on after `writtenRows`. A chunk that was committed and not noted is written again, into the same rows. Of two rows
 * with one key the last stays.
 */
export const writePostgresqlSink: WriteSink<PostgresqlSink, Deps> = async (sink, deps, output, context) => {
  const columns = columnPaths(sink.columns);
  const pool = deps.connections.postgresql(sink.connection);
  const session = await naming(sink, context, () => Session.open(pool, context.signal));
  let isClean = false;
  try {
    const statement = upsert(sink.table, columns, sink.key);
    await naming(sink, context, () => check(session, sink, statement));
    const written = await writeChunks(session, sink, statement, columns, output, context);
    isClean = true;
    return written;
  } finally {
    await session.close(isClean);
  }
};

/** @throws RunError `sink_refused` */
async function check(
  session: Session,
  { table, columns, key }: PostgresqlSink,
  statement: string,
): Promise<void> {
  const refusal = await refusalOf(session, { table, columns: Object.keys(columns), key });
  if (refusal !== undefined) throw new RunError('sink_refused', refusal, false);
  // Whatever else the server has against it, a missing right among that, it says when it plans the statement.
  await session.query(`EXPLAIN ${statement}`, ['[]']);
}

async function writeChunks(
  session: Session,
  sink: PostgresqlSink,
  statement: string,
  columns: readonly ColumnPath[],
  output: RunOutput,
  context: SinkContext,
): Promise<Written> {
  const ofRun = constants(output);
  let writtenRows = context.writtenRows;
  let bytes = 0;
  for await (const rows of output.rowsFrom(writtenRows, outputsOf(sink.columns))) {
    const prediction = rows.find((row) => row.prediction !== undefined)?.prediction;
    if (prediction !== undefined) checkOutputs(columns, prediction);
    await naming(sink, context, () => session.query('BEGIN'));
    for (const batch of batches(rows, ofRun)) {
      await naming(sink, context, () => session.query(statement, [batch]));
      bytes += Buffer.byteLength(batch);
    }
    await context.fence();
    await naming(sink, context, () => session.query('COMMIT'));
    writtenRows += rows.length;
    await context.note(writtenRows);
  }
  return { location: `postgresql:${sink.connection}/${sink.table}`, rows: writtenRows, bytes };
}

/** Members that all rows of a run share, as JSON text. */
function constants({ logicalDate, schedule, taskId, model }: RunOutput): string {
  const members = { logical_date: logicalDate, schedule, task_id: taskId, model };
  return JSON.stringify(members).slice(1, -1);
}

function* batches(rows: readonly ResultRow[], ofRun: string): Generator<string> {
  let batch: string[] = [];
  let size = 0;
  for (const row of rows) {
    const text = rowText(row, ofRun);
    batch.push(text);
    size += text.length;
    if (size < BATCH_BYTES && batch.length < BATCH_ROWS) continue;
    yield `[${batch.join(',')}]`;
    batch = [];
    size = 0;
  }
  if (batch.length > 0) yield `[${batch.join(',')}]`;
}

/** The prediction stays the text that it is: parsed, large integers would lose digits. */
function rowText({ row, id, prediction, error }: ResultRow, ofRun: string): string {
  const outcome = error === undefined ? `"prediction":${prediction}` : `"error":${JSON.stringify(error)}`;
  const name = id === undefined || id === null ? '' : `"id":${JSON.stringify(id)},`;
  return `{"row":${row},${name}${ofRun},${outcome}}`;
}

async function naming<Value>(
  { connection, table }: PostgresqlSink,
  { signal }: SinkContext,
  work: () => Promise<Value>,
): Promise<Value> {
  try {
    return await work();
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof RunError) throw error;
    const options = { cause: error };
    const message = messageOf(error);
    switch (failureOf(error)) {
      case 'refused':
        throw new RunError(
          'sink_refused',
          `PostgreSQL refuses rows for "${table}": ${message}`,
          false,
          options,
        );
      case 'not_allowed':
        throw new RunError(
          'sink_not_allowed',
          `"${connection}" may not write "${table}": ${message}`,
          false,
          options,
        );
      case 'unavailable':
        throw new RunError(
          'sink_unavailable',
          `"${table}" of "${connection}" could not be written: ${message}`,
          true,
          options,
        );
    }
  }
}
