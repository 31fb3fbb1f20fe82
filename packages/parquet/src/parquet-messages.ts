/** What the thread that unpacks Parquet and the one that started it tell each other. */

/** What a file is unpacked as: NDJSON, or Arrow streams of one record batch, one a piece. */
export type ParquetOutput = 'lines' | 'arrow';

export type ToParquetThread =
  /** A file begins, in place of the one before. */
  | { kind: 'open'; byteLength: number; as: ParquetOutput }
  /** The next piece is wanted. */
  | { kind: 'next' }
  /** What was to be read. */
  | { kind: 'range'; id: number; bytes: ArrayBuffer };

export type FromParquetThread =
  | { kind: 'read'; id: number; start: number; end: number }
  | { kind: 'piece'; bytes: Uint8Array }
  | { kind: 'end' }
  | { kind: 'malformed'; message: string };
