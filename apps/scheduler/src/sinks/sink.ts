/** What every kind of sink does: it writes the result of a run to its place, whole or not at all, or goes on where it was. */
import type { Ledger } from '@millrace/batch/ledger';
import type { Outputs, ResultRow } from '@millrace/batch/results/read-chunk';

export interface RunOutput {
  schedule: string;
  logicalDate: string;
  taskId: string;
  model: string;
  rows: Ledger;
  /** Whole lines from a row on; of CSV with the header when `fromRow` is 0. */
  text(format: 'ndjson' | 'csv', outputs: Outputs, fromRow?: number): AsyncIterable<Uint8Array | string>;
  /** Rows as objects, chunk by chunk. */
  rowsFrom(row: number, outputs: Outputs): AsyncIterable<ResultRow[]>;
}

export interface SinkContext {
  signal: AbortSignal;
  /** Rejects when another process has taken the run over. */
  fence(): Promise<void>;
  /** Rows that an earlier attempt is known to have written, for sinks that go on. */
  writtenRows: number;
  note(writtenRows: number): Promise<void>;
}

/** What is told of it in the run. */
export interface Written {
  location: string;
  rows: number;
  bytes: number;
  /** In hex. */
  sha256?: string;
}

/**
 * @param sink with its templates filled in
 * @throws RunError, or what `fence()` rejects with
 */
export type WriteSink<S, D> = (sink: S, deps: D, output: RunOutput, context: SinkContext) => Promise<Written>;
