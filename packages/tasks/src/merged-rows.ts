/** The rows of a task in order, those that were retried with what has come of them last. */
import { BatchError, type RowError } from '@millrace/batch/errors';
import type { Segments } from '@millrace/batch/results/encode-chunk';
import {
  errorsOf,
  type Outputs,
  type ResultRow,
  readRows,
  segmentsOf,
} from '@millrace/batch/results/read-chunk';
import { isRetryable } from '@millrace/batch/retry';
import type { Task } from '@millrace/batch/task';
import type { RetryStore } from '@millrace/queue/retry-store';
import type { TaskStore } from '@millrace/queue/task-store';
import { type ChunkWalk, chunkOfRow, finishedWalk, readChunk } from './stored-chunks.js';

export interface RowDeps {
  store: TaskStore;
  retryStore: RetryStore;
}

/** A row of a result, in whatever form. */
export interface MergedRow {
  row: number;
  error?: RowError | undefined;
}

/** What a chunk has of its rows, in order. */
export type ReadRows<Row extends MergedRow> = (
  segments: Segments,
  firstRow: number,
  rows: number,
) => Iterable<Row>;

/** The segments that a chunk is to be read by; undefined for all. @param known those that were read of a chunk with a prediction */
export type WantedSegments = (known: Segments | undefined) => readonly string[] | undefined;

/** How rows are read, and out of what. */
export interface Reading<Row extends MergedRow> {
  read: ReadRows<Row>;
  wanted: WantedSegments;
}

const TEXT_SEGMENTS = ['errors', 'ids', 'lines'];

/** The rows of each chunk, as text. @param merged as of `mergedRowsAs` @throws BatchError `result_expired` */
export function mergedRows(
  deps: RowDeps,
  walk: ChunkWalk,
  merged: readonly Task[],
  outputs: Outputs,
): AsyncGenerator<ResultRow[]> {
  return mergedRowsAs(deps, walk, merged, {
    read: (segments, firstRow, rows) => readRows(segments, firstRow, rows, outputs),
    // A chunk with a prediction says which tensors there are; of a task that runs there may be none yet.
    wanted: (known) => (outputs === 'default' ? TEXT_SEGMENTS : known && segmentsOf(known, outputs)),
  });
}

/**
 * The rows of each chunk.
 * @param merged the finished retries of the task, each of which has taken rows of the one before
 * @throws BatchError `result_expired`
 */
export async function* mergedRowsAs<Row extends MergedRow>(
  deps: RowDeps,
  walk: ChunkWalk,
  merged: readonly Task[],
  reading: Reading<Row>,
): AsyncGenerator<Row[]> {
  const retried = new RetriedRows(deps, walk.task.id, merged, reading);
  let known: Segments | undefined;
  const readOne = async (index: number) => {
    const chunk = await readChunk(deps.store, walk.task.id, index, reading.wanted(known));
    if (chunk?.segments.columns !== undefined) known = chunk.segments;
    return chunk && { index, ...chunk };
  };
  try {
    for await (const { index, segments, firstRow, rows } of walk.each(readOne)) {
      const found = Array.from(reading.read(segments, firstRow, rows));
      for (const [place, row] of found.entries()) {
        if (merged.length === 0 || row.error === undefined || !isRetryable(row.error.code)) continue;
        found[place] = renumbered(await retried.next(index), row.row);
      }
      yield found;
    }
  } finally {
    await retried.stop();
  }
}

/** The k-th row of a retry is the k-th that can be retried: read in order, no row needs a mapping of its own. */
class RetriedRows<Row extends MergedRow> {
  private rows: AsyncGenerator<Row> | undefined;

  constructor(
    private readonly deps: RowDeps,
    private readonly task: string,
    private readonly merged: readonly Task[],
    private readonly reading: Reading<Row>,
  ) {}

  /** @param chunk that the row is in; the first one says where to begin */
  async next(chunk: number): Promise<Row> {
    this.rows ??= await this.from(chunk);
    const row = await this.rows.next();
    if (row.done) throw gone();
    return row.value;
  }

  async stop(): Promise<void> {
    await this.rows?.return(undefined);
  }

  private async from(chunk: number): Promise<AsyncGenerator<Row>> {
    const rowsBefore = await this.deps.retryStore.rowsBefore(this.task, chunk);
    if (rowsBefore === undefined) throw gone();
    return rowsFrom(this.deps, this.merged, rowsBefore, this.reading);
  }
}

async function* rowsFrom<Row extends MergedRow>(
  deps: RowDeps,
  [task, ...merged]: readonly Task[],
  row: number,
  reading: Reading<Row>,
): AsyncGenerator<Row> {
  if (task === undefined) return;
  const walk = finishedWalk(task, await chunkOfRow(deps.store, task, row));
  for await (const rows of mergedRowsAs(deps, walk, merged, reading)) {
    for (const each of rows) if (each.row >= row) yield each;
  }
}

/** Which row of a task its retry has as this one. @throws BatchError `result_expired` */
export async function retriedRow({ store, retryStore }: RowDeps, task: Task, row: number): Promise<number> {
  let low = 0;
  let high = task.chunks - 1;
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    const rowsBefore = await retryStore.rowsBefore(task.id, middle);
    if (rowsBefore === undefined) throw gone();
    if (rowsBefore <= row) low = middle;
    else high = middle - 1;
  }
  const rowsBefore = await retryStore.rowsBefore(task.id, low);
  const span = await store.readSpan(task.id, low);
  if (rowsBefore === undefined || span === undefined) throw gone();
  // Of a chunk that was never computed every row can be retried.
  if (span.state !== 'done') return span.firstRow + row - rowsBefore;
  const chunk = await readChunk(store, task.id, low, ['errors']);
  if (chunk === undefined) throw gone();
  const found = errorsOf(chunk.segments).filter(({ code }) => isRetryable(code))[row - rowsBefore];
  if (found === undefined) throw gone();
  return found.row;
}

function renumbered<Row extends MergedRow>(row: Row, number: number): Row {
  const { error } = row;
  return { ...row, row: number, ...(error === undefined ? {} : { error: { ...error, row: number } }) };
}

function gone(): BatchError {
  return new BatchError('result_expired', 'the results of this task have expired');
}
