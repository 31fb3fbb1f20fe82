/** The layout reader is responsible for rows that look like their layout: it writes their values straight from the bytes. */
import type { RowId } from '../errors.js';
import { ByteCursor, PLAIN_FIELD, PLAIN_STRING } from './byte-cursor.js';
import type { FeatureCodec } from './feature-codec.js';
import type { InputRows } from './input-rows.js';
import type { Form, RowLayout, Run, RunTarget } from './row-layout.js';
import type { RowReader } from './row-reader.js';

const TRUE = new TextEncoder().encode('true');
const FALSE = new TextEncoder().encode('false');

export class LayoutReader {
  /** Of the row that was read last. */
  id: RowId | undefined;
  private readonly cursor: ByteCursor;

  /** @param bytes of the chunk, or of the list */
  constructor(
    bytes: Uint8Array,
    private readonly reader: RowReader,
    private readonly inputs: readonly InputRows[],
  ) {
    this.cursor = new ByteCursor(bytes);
  }

  /** True when a number so far was -0. */
  get sawNegativeZero(): boolean {
    return this.cursor.sawNegativeZero;
  }

  /** As `readRow`, and beyond the line end that must follow. @returns where the next record begins */
  read(layout: RowLayout, start: number, row: number): number | undefined {
    const isRead = this.readRow(layout, start, row) !== undefined && this.cursor.skipLineEnd();
    return isRead ? this.cursor.at : undefined;
  }

  /**
   * Reads the row that begins at `start` into this row of the inputs.
   * @returns the place behind it; undefined, with nothing of meaning written, when it looks different, or has a value
   * that is not plain or not accepted
   */
  readRow(layout: RowLayout, start: number, row: number): number | undefined {
    const { cursor } = this;
    const { runs, tail, absent } = layout;
    cursor.at = start;
    this.id = undefined;
    for (let index = 0; index < runs.length; index++) {
      const run = runs[index] as Run;
      const isRead = run.target === undefined ? this.readId(run) : this.readRun(run, run.target, row);
      if (!isRead) return undefined;
    }
    if (!cursor.skip(tail)) return undefined;
    for (const feature of absent) feature.writeFallback(this.inputs, row);
    return cursor.at;
  }

  private readRun(run: Run, target: RunTarget, row: number): boolean {
    const { cursor } = this;
    const { data, size, offset } = target;
    const { element } = target.feature;
    const first = row * size + offset;
    for (let index = 0; index < run.count; index++) {
      if (!cursor.skip(index === 0 ? run.before : run.between)) return false;
      const start = cursor.at;
      // Spelled out, so that a number stays a machine number on its way.
      const isWritten =
        run.form === 'number'
          ? element.write(cursor.number(), data, first + index)
          : element.write(this.value(run.form, target), data, first + index);
      if (!isWritten && !this.readNothing(run, target.feature, start, row)) return false;
    }
    return true;
  }

  /** Takes the default of a feature where nothing stands in place of its value. What follows tells whether that was all. */
  private readNothing({ nothing }: Run, feature: FeatureCodec, start: number, row: number): boolean {
    if (nothing === undefined || feature.fallback === undefined) return false;
    this.cursor.at = start;
    if (!this.cursor.skip(nothing)) return false;
    feature.writeFallback(this.inputs, row);
    return true;
  }

  private readId({ before, form }: Run): boolean {
    if (!this.cursor.skip(before)) return false;
    const id = this.reader.checkId(this.value(form));
    if (id === undefined || typeof id === 'object') return false;
    this.id = id;
    return true;
  }

  /**
   * The value that stands here. One that is not plain is undefined or NaN, which nothing accepts; a text that is not ends
   * early, and what must follow it does not.
   */
  private value(form: Form, target?: RunTarget): unknown {
    const { cursor } = this;
    switch (form) {
      case 'number':
        return cursor.number();
      case 'boolean':
        return cursor.skip(TRUE) || (cursor.skip(FALSE) ? false : undefined);
      case 'string':
        return cursor.plainText(PLAIN_STRING);
      case 'field': {
        const field = cursor.plainText(PLAIN_FIELD);
        // Blank fields are absent values; those that begin with a blank are few enough.
        if (field === '' || field.startsWith(' ')) return undefined;
        return target === undefined ? field : target.feature.element.fromText(field);
      }
    }
  }
}
