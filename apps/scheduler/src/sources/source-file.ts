/** What sources read: files, answers, S3 objects. */
import type { RandomAccess } from '@millrace/parquet/random-access';

export type SourceFormat = 'ndjson' | 'csv' | 'parquet';

/** One of the things that a source reads: a file, an answer, an S3 object. Either method is called once at most. */
export interface SourceFile {
  /** For errors. */
  name: string;
  /** The bytes as they are stored, gzip or not. */
  stream(): AsyncIterable<Uint8Array>;
  /** For Parquet. What it holds open is released by `close`. */
  ranges(): Promise<RandomAccess & { close?(): Promise<void> }>;
}

/** The text of one file. */
export interface NamedBytes {
  name: string;
  bytes: AsyncIterable<Uint8Array>;
}
