/** The row check is responsible for the counts and the first errors of rows that are validated and not kept. */
import { LISTED_ROWS_MAX, type RowCode, type RowError } from '../errors.js';
import type { DecodedChunk } from './chunk-rows.js';

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

  /** Adds the next rows, in the order of the task. */
  addChunk({ rows, errors }: Pick<DecodedChunk, 'rows' | 'errors'>): void {
    this.rows += rows;
    for (const error of errors) this.count(error);
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
