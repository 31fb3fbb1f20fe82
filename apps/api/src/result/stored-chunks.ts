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

/** Undefined while its rows are to come, and when its result has expired. */
export async function readChunk(
  store: TaskStore,
  id: string,
  chunk: number,
): Promise<StoredChunk | undefined> {
  const [segments, span] = await Promise.all([store.readSegments(id, chunk), store.readSpan(id, chunk)]);
  if (span === undefined) return undefined;
  return segments === undefined ? haltedChunk(span) : { segments, firstRow: span.firstRow, rows: span.rows };
}

/** One segment of a chunk alone. */
export async function readSegment(
  store: TaskStore,
  id: string,
  chunk: number,
  name: string,
): Promise<Segments | undefined> {
  const segments = await store.readSegments(id, chunk, [name]);
  if (segments !== undefined) return segments;
  const span = await store.readSpan(id, chunk);
  return span && haltedChunk(span)?.segments;
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
