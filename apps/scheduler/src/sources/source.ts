/** What every kind of source does: it opens what a run reads, and gives the rows as lines. */

export interface SourceContext {
  schedule: string;
  logicalDate: string;
  signal: AbortSignal;
}

/** Lines as a client would send them. */
export interface Rows {
  format: 'ndjson' | 'csv';
  bytes: AsyncIterable<Uint8Array>;
}

/**
 * @param source with its templates filled in
 * @throws RunError, as the iteration of `bytes` does
 */
export type OpenSource<S, D> = (source: S, deps: D, context: SourceContext) => Promise<Rows>;
