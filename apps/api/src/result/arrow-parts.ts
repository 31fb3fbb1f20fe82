/** A result as an Arrow IPC stream, a record batch for each chunk. */
import type { ColumnHead } from '@millrace/batch/results/column';
import { headsOf } from '@millrace/batch/results/read-chunk';
import { END_OF_STREAM, schemaMessage } from '@millrace/columnar/ipc/writer';
import {
  type ResultCells,
  readCells,
  resultBatch,
  taskErrorBatch,
} from '@millrace/columnar/results/result-batch';
import { resultFields } from '@millrace/columnar/results/result-schema';
import { mergedRowsAs, type ReadRows, type RowDeps } from '@millrace/tasks/merged-rows';
import type { Parts, ResultView } from '@millrace/tasks/result-lines';
import { finishedWalk, readChunk } from '@millrace/tasks/stored-chunks';

/** Of a finished task. @throws BatchError `result_expired` */
export async function* arrowParts(deps: RowDeps, view: ResultView): Parts {
  const { walk, shown, outputs, fromRow } = view;
  const heads = await shownHeads(deps, view);
  yield schemaMessage(resultFields(heads));
  const read: ReadRows<ResultCells> = (segments, firstRow, rows) =>
    readCells(segments, firstRow, rows, outputs);
  for await (const rows of mergedRowsAs(deps, walk, shown.merged, read)) {
    const wanted = rows.filter(({ row }) => row >= fromRow);
    if (wanted.length > 0) yield resultBatch(heads, wanted);
  }
  const { error } = walk.task;
  if (error !== undefined) yield taskErrorBatch(heads, error);
  yield END_OF_STREAM;
}

/** How the outputs are to be read: as in the first chunk with a prediction, for all chunks are of one version. None when no row has one. */
async function shownHeads({ store }: RowDeps, { shown, outputs }: ResultView): Promise<ColumnHead[]> {
  for (const task of [shown.recorded, ...shown.merged]) {
    const read = (chunk: number) => readChunk(store, task.id, chunk, ['columns']);
    for await (const { segments } of finishedWalk(task, 0).each(read)) {
      const heads = headsOf(segments, outputs);
      if (heads !== undefined) return heads;
    }
  }
  return [];
}
