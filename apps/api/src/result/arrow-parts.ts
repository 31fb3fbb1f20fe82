/** A result as an Arrow IPC stream, a record batch for each chunk. */
import type { ColumnHead } from '@millrace/batch/results/column';
import { headsOf, segmentsOf } from '@millrace/batch/results/read-chunk';
import { END_OF_STREAM, schemaMessage } from '@millrace/columnar/ipc/writer';
import {
  type ResultCells,
  readCells,
  resultBatch,
  taskErrorBatch,
} from '@millrace/columnar/results/result-batch';
import { resultFields } from '@millrace/columnar/results/result-schema';
import { mergedRowsAs, type Reading, type RowDeps } from '@millrace/tasks/merged-rows';
import type { Parts, ResultView } from '@millrace/tasks/result-lines';
import { finishedWalk, readChunk } from '@millrace/tasks/stored-chunks';

/** Of a finished task. @throws BatchError `result_expired` */
export async function* arrowParts(deps: RowDeps, view: ResultView): Parts {
  const { walk, shown, outputs, fromRow } = view;
  const { heads, names } = await shownOutputs(deps, view);
  yield schemaMessage(resultFields(heads));
  const reading: Reading<ResultCells> = {
    read: (segments, firstRow, rows) => readCells(segments, firstRow, rows, outputs),
    wanted: () => names,
  };
  for await (const rows of mergedRowsAs(deps, walk, shown.merged, reading)) {
    const wanted = rows.filter(({ row }) => row >= fromRow);
    if (wanted.length > 0) yield resultBatch(heads, wanted);
  }
  const { error } = walk.task;
  if (error !== undefined) yield taskErrorBatch(heads, error);
  yield END_OF_STREAM;
}

interface ShownOutputs {
  heads: ColumnHead[];
  /** Of the segments that have them. */
  names: string[];
}

/** How the outputs are to be read: as in the first chunk with a prediction, for all chunks are of one version. None when no row has one. */
async function shownOutputs({ store }: RowDeps, { shown, outputs }: ResultView): Promise<ShownOutputs> {
  for (const task of [shown.recorded, ...shown.merged]) {
    const read = (chunk: number) => readChunk(store, task.id, chunk, ['columns']);
    for await (const { segments } of finishedWalk(task, 0).each(read)) {
      const heads = headsOf(segments, outputs);
      const names = segmentsOf(segments, outputs);
      if (heads !== undefined && names !== undefined) return { heads, names };
    }
  }
  return { heads: [], names: ['errors', 'ids'] };
}
