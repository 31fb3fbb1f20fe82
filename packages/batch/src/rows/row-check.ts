/** The row check is responsible for the counts and the first errors of rows that are validated and not kept. */
import { LISTED_ROWS_MAX, type RowCode, type RowError } from '../errors.js';
import { type ChunkSource, decodeChunk } from './decode-chunk.js';
import type { RowReader } from './row-reader.js';

export interface RowReport {
  rows: number;
  valid: number;
  invalid: number;
  /** The first 100, by row. */
  errors: RowError[];
  errorsByCode: Partial<Record<RowCode, number>>;
}

export class RowCheck {
  private rows = 0;
  private invalid = 0;
  private readonly errors: RowError[] = [];
  private readonly errorsByCode = new Map<RowCode, number>();

  constructor(private readonly reader: RowReader) {}

  /** Checks the next rows as they are stored, in the order of the task. */
  addChunk(chunk: ChunkSource): void {
    this.rows += chunk.rows;
    for (const error of decodeChunk(chunk, this.reader).errors) this.count(error);
  }

  report(): RowReport {
    const { rows, invalid, errors } = this;
    const errorsByCode = Object.fromEntries([...this.errorsByCode].sort(([a], [b]) => (a < b ? -1 : 1)));
    return { rows, valid: rows - invalid, invalid, errors, errorsByCode };
  }

  private count(error: RowError): void {
    this.invalid++;
    this.errorsByCode.set(error.code, (this.errorsByCode.get(error.code) ?? 0) + 1);
    if (this.errors.length < LISTED_ROWS_MAX) this.errors.push(error);
  }
}
