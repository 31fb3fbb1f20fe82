/** The chunks of a task as results are made of them: what workers have stored, and what stands in for chunks that were never computed. */
import { BatchError, HALTED_MESSAGES } from '@millrace/batch/errors';
import { encodeFailedChunk, type Segments } from '@millrace/batch/results/encode-chunk';
import type { Task } from '@millrace/batch/task';
import type { ChunkSpan, TaskStore } from '@millrace/queue/task-store';

export interface StoredChunk {
  segments: Segments;
  firstRow: number;
  rows: number;
}

/**
 * Undefined while its rows are to come, and when its result has expired.
 * @param names the segments that are wanted; all of them when left out
 */
export async function readChunk(
  store: TaskStore,
  id: string,
  chunk: number,
  names?: readonly string[],
): Promise<StoredChunk | undefined> {
  // In this order on one connection: where the span says that the chunk is done, its segments are there.
  const [span, segments] = await Promise.all([
    store.readSpan(id, chunk),
    store.readSegments(id, chunk, names),
  ]);
  if (span === undefined) return undefined;
  if (span.state !== 'done') return haltedChunk(span);
  return segments && { segments, firstRow: span.firstRow, rows: span.rows };
}

/** The same error for each of its rows. */
function haltedChunk({ state, firstRow, rows }: ChunkSpan): StoredChunk | undefined {
  if (state !== 'cancelled' && state !== 'expired') return undefined;
  return {
    segments: encodeFailedChunk(firstRow, rows, state, HALTED_MESSAGES[state]).segments,
    firstRow,
    rows,
  };
}

/** The index of the chunk that holds a row, or of the first one behind those that are stored. Looks at a few spans, at no result. */
export async function chunkOfRow(store: TaskStore, task: Task, row: number): Promise<number> {
  let low = 0;
  let high = row === 0 ? 0 : task.chunks;
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    const span = await store.readSpan(task.id, middle);
    if (span !== undefined && span.firstRow + span.rows <= row) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** A way through the chunks of a task, in order. */
export interface ChunkWalk {
  /** As it was last read; at the end of the way, as it has ended. */
  readonly task: Task;
  /** What `read` makes of each chunk. It answers undefined for one that is not there. */
  each<T>(read: (chunk: number) => Promise<T | undefined>): AsyncGenerator<T>;
}

/** Through a finished task. @throws BatchError `result_expired` on the way */
export function finishedWalk(task: Task, first: number): ChunkWalk {
  return { task, each: (read) => eachChunk(task, read, first) };
}

/** Up to the first chunk that is not there yet. */
export function availableWalk(task: Task, first: number): ChunkWalk {
  return {
    task,
    async *each(read) {
      for (let chunk = first; chunk < task.chunks; chunk++) {
        const found = await read(chunk);
        if (found === undefined) return;
        yield found;
      }
    },
  };
}

/** Every chunk of a finished task in order; the next one is fetched while this one is used. @throws BatchError `result_expired` */
export async function* eachChunk<T>(
  task: Task,
  read: (chunk: number) => Promise<T | undefined>,
  first = 0,
): AsyncGenerator<T> {
  let next = task.chunks > first ? read(first) : undefined;
  for (let chunk = first; chunk < task.chunks; chunk++) {
    const found = await next;
    if (found === undefined) throw new BatchError('result_expired', 'the results of this task have expired');
    next = chunk + 1 < task.chunks ? read(chunk + 1) : undefined;
    next?.catch(() => {});
    yield found;
  }
}
