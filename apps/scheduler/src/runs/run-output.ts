/** The result of a run's task, as sinks read it. */
import type { Ledger } from '@millrace/batch/ledger';
import type { Outputs, ResultRow } from '@millrace/batch/results/read-chunk';
import type { Task } from '@millrace/batch/task';
import type { RecordedRun } from '@millrace/queue/schedules/run-record';
import { mergedRows, type RowDeps } from '@millrace/tasks/merged-rows';
import { LINES, type LineFormat } from '@millrace/tasks/result-lines';
import { type RetriedTask, readRetries } from '@millrace/tasks/retries';
import { chunkOfRow, finishedWalk } from '@millrace/tasks/stored-chunks';
import type { RunOutput } from '../sinks/sink.js';

/** @param finished the task, which has ended; its finished retries are merged in */
export async function outputOf(deps: RowDeps, run: RecordedRun, finished: Task): Promise<RunOutput> {
  return new TaskOutput(deps, run, await readRetries(deps.store, finished));
}

class TaskOutput implements RunOutput {
  constructor(
    private readonly deps: RowDeps,
    private readonly run: RecordedRun,
    private readonly shown: RetriedTask,
  ) {}

  get schedule(): string {
    return this.run.schedule;
  }

  get logicalDate(): string {
    return this.run.logicalDate;
  }

  get taskId(): string {
    return this.shown.recorded.id;
  }

  get model(): string {
    return this.shown.recorded.model;
  }

  get rows(): Ledger {
    return this.shown.task.ledger;
  }

  async *text(format: LineFormat, outputs: Outputs, fromRow = 0): AsyncGenerator<Uint8Array | string> {
    const { deps, shown } = this;
    const walk = await this.walkFrom(fromRow);
    yield* LINES[format](deps, { shown, outputs, fromRow, walk });
  }

  async *rowsFrom(row: number, outputs: Outputs): AsyncGenerator<ResultRow[]> {
    const walk = await this.walkFrom(row);
    for await (const rows of mergedRows(this.deps, walk, this.shown.merged, outputs)) {
      const wanted = rows.filter((each) => each.row >= row);
      if (wanted.length > 0) yield wanted;
    }
  }

  private async walkFrom(row: number) {
    const { recorded } = this.shown;
    return finishedWalk(recorded, await chunkOfRow(this.deps.store, recorded, row));
  }
}
