/** What a run came to, of rows made by hand. */
import { OUTCOMES } from '@millrace/batch/ledger';
import { CSV_HEADER } from '@millrace/batch/results/csv-line';
import { type ResultRow, toLine } from '@millrace/batch/results/read-chunk';
import type { RunOutput, SinkContext } from '../src/sinks/sink.js';

/** Every prediction is the row's number; every tenth row is invalid. */
export function resultRows(total: number): ResultRow[] {
  return Array.from({ length: total }, (_, row) =>
    row % 10 === 9
      ? { row, error: { row, code: 'out_of_range', message: 'x: 23 is outside 0 to 10' } }
      : { row, id: `u${row}`, prediction: String(row) },
  );
}

/** @param chunkRows how many rows come at once */
export function outputOf(rows: readonly ResultRow[], chunkRows = 100): RunOutput {
  const invalid = rows.filter(({ error }) => error !== undefined).length;
  const zeros = Object.fromEntries(OUTCOMES.map((outcome) => [outcome, 0]));
  const counts = { total: rows.length, succeeded: rows.length - invalid, invalid };
  return {
    schedule: 'nightly',
    logicalDate: '2026-11-20',
    taskId: 'task-1',
    model: 'recommender@1',
    rows: { ...zeros, ...counts } as RunOutput['rows'],
    async *text(format, _outputs, fromRow = 0) {
      if (format === 'csv' && fromRow === 0) yield CSV_HEADER;
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
