/** What a run came to, of rows made by hand. */
import { OUTCOMES } from '@millrace/batch/ledger';
import { type ResultRow, toLine } from '@millrace/batch/results/read-chunk';
import type { RunOutput, SinkContext } from '../src/sinks/sink.js';

/** @param chunkRows how many rows come at once */
export function outputOf(rows: readonly ResultRow[], chunkRows = 100): RunOutput {
  const failed = rows.filter(({ error }) => error !== undefined).length;
  const zeros = Object.fromEntries(OUTCOMES.map((outcome) => [outcome, 0]));
  const counts = { total: rows.length, succeeded: rows.length - failed, failed };
  return {
    schedule: 'nightly',
    logicalDate: '2026-11-20',
    taskId: 'task-1',
    model: 'recommender@1',
    rows: { ...zeros, ...counts } as RunOutput['rows'],
    async *text(_format, _outputs, fromRow = 0) {
      for (const row of rows.slice(fromRow)) yield toLine(row);
    },
    async *rowsFrom(row) {
      for (let from = row; from < rows.length; from += chunkRows) yield rows.slice(from, from + chunkRows);
    },
  };
}

/** A run that nobody takes over. */
export function contextOf(changes: Partial<SinkContext> = {}): SinkContext & { notes: number[] } {
  const notes: number[] = [];
  return {
    signal: new AbortController().signal,
    fence: async () => {},
    writtenRows: 0,
    note: async (writtenRows) => {
      notes.push(writtenRows);
    },
    ...changes,
    notes,
  };
}
