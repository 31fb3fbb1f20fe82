/** What every kind of source gives a run: rows as a client would send them. */

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

/** Rejects with RunError `source_…`; so do the bytes, when reading fails on the way. */
export type OpenSource<Source, Deps> = (source: Source, deps: Deps, context: SourceContext) => Promise<Rows>;
