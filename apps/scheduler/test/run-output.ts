/** Results and runs as sinks get them. */
import type { ResultRow } from '@millrace/batch/results/read-chunk';
import { toLine } from '@millrace/batch/results/read-chunk';
import type { RunOutput, SinkContext } from '../dist/sinks/sink.js';

/** Every prediction is the row's number; every tenth row has failed. */
export function resultRows(total: number): ResultRow[] {
  return Array.from({ length: total }, (_, row) =>
    row % 10 === 9
      ? { row, error: { row, code: 'out_of_range', message: 'x: 23 is outside 0 to 10' } }
      : { row, id: `u${row}`, prediction: String(row) },
  );
}

export function runOutput(rows: readonly ResultRow[], chunkRows = 7): RunOutput {
  const total = rows.length;
  const invalid = rows.filter(({ error }) => error !== undefined).length;
  const none = { pending: 0, running: 0, failed: 0, cancelled: 0, expired: 0 };
  return {
    schedule: 'nightly',
    logicalDate: '2026-11-20',
    taskId: 'task-1',
    model: 'recommender@2',
    rows: { ...none, total, invalid, succeeded: total - invalid },
    async *text(format, _outputs, fromRow = 0) {
      if (format === 'csv') yield 'row,id,prediction,error_code,error_message\r\n';
      for (const row of rows.slice(fromRow)) yield toLine(row);
    },
    async *rowsFrom(row) {
      for (let at = row; at < total; at += chunkRows) yield rows.slice(at, at + chunkRows);
    },
  };
}

export function sinkContext(context: Partial<SinkContext> = {}): SinkContext {
  return {
    signal: new AbortController().signal,
    fence: async () => {},
    writtenRows: 0,
    note: async () => {},
    ...context,
  };
}
