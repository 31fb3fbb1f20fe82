/** What every kind of sink gets from a run, and what it tells of its work. */
import type { Ledger } from '@millrace/batch/ledger';
import type { Outputs, ResultRow } from '@millrace/batch/results/read-chunk';

export interface RunOutput {
  schedule: string;
  logicalDate: string;
  taskId: string;
  model: string;
  rows: Ledger;
  /** Whole lines from a row on; of CSV with the header when fromRow is 0. */
  text(format: 'ndjson' | 'csv', outputs: Outputs, fromRow?: number): AsyncIterable<Uint8Array | string>;
  /** Rows as objects, chunk by chunk. */
  rowsFrom(row: number, outputs: Outputs): AsyncIterable<ResultRow[]>;
}

export interface SinkContext {
  signal: AbortSignal;
  /** Asked before anything becomes visible. Rejects when another process has taken the run over. */
  fence(): Promise<void>;
  /** Rows that an earlier attempt is known to have written, for sinks that go on. */
  writtenRows: number;
  /** Keeps what `writtenRows` is for the next attempt. */
  note(writtenRows: number): Promise<void>;
}

/** What is told of it in the run. */
export interface Written {
  location: string;
  rows: number;
  bytes: number;
  sha256?: string;
}

/** Rejects with RunError `sink_…`, or with what `fence` rejected with. */
export type WriteSink<Sink, Deps> = (
  sink: Sink,
  deps: Deps,
  output: RunOutput,
  context: SinkContext,
) => Promise<Written>;
