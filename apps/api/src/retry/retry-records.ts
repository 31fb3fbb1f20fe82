/** The rows of a finished task that can be retried, as they came. */
import { BatchError } from '@millrace/batch/errors';
import { errorsOf } from '@millrace/batch/results/read-chunk';
import { isRetryable } from '@millrace/batch/retry';
import { pickRecords } from '@millrace/batch/split/pick-records';
import type { ChunkFormat, Task } from '@millrace/batch/task';
import { pickRows } from '@millrace/columnar/rows/stored-chunk';
import type { RowDeps } from '@millrace/tasks/merged-rows';
import { eachChunk, readChunk } from '@millrace/tasks/stored-chunks';

/**
 * Their records chunk by chunk, in order. Notes on the way how many there were before each chunk, by which a reader of the
 * merged result can begin anywhere.
 * @throws BatchError `result_expired`
 */
export async function* retryRecords({ store, retryStore }: RowDeps, task: Task): AsyncGenerator<Uint8Array> {
  const read = async (index: number) => {
    const chunk = await readChunk(store, task.id, index, ['errors']);
    return chunk && { index, ...chunk };
  };
  let rowsBefore = 0;
  for await (const { index, firstRow, segments } of eachChunk(task, read)) {
    if (!(await retryStore.note(task.id, index, rowsBefore))) throw gone();
    const errors = errorsOf(segments).filter(({ code }) => isRetryable(code));
    if (errors.length === 0) continue;
    const input = await store.readInput(task.id, index);
    if (input === undefined) throw gone();
    yield pick(
      input,
      task.format,
      errors.map(({ row }) => row - firstRow),
    );
    rowsBefore += errors.length;
  }
}

function pick(input: Uint8Array, format: ChunkFormat, places: readonly number[]): Uint8Array {
  return format === 'arrow' ? pickRows(input, places) : pickRecords(input, format, new Set(places));
}

function gone(): BatchError {
  return new BatchError('result_expired', 'the rows of this task are no longer stored');
}
