/** Finds where one record ends and the next begins, in bytes that arrive in pieces. Parses nothing. */

const LF = 0x0a;
const CR = 0x0d;
const SPACE = 0x20;
const TAB = 0x09;
const QUOTE = 0x22;
const COMMA = 0x2c;

export type LineFormat = 'ndjson' | 'csv';

export interface RecordBorders {
  /**
   * The index just behind the line feed that ends the record, searching from `from`, or -1 when the piece ends first.
   * After -1 the next call continues the same record at index 0 of the next piece.
   */
  next(bytes: Uint8Array, from: number): number;
}

export function recordBorders(format: LineFormat): RecordBorders {
  return format === 'csv' ? new CsvBorders() : NDJSON_BORDERS;
}

const NDJSON_BORDERS: RecordBorders = {
  next: (bytes, from) => bytes.indexOf(LF, from) + 1 || -1,
};

/** RFC 4180: a quote opens only at the start of a field; inside quotes, line feeds are data and `""` is one quote. */
class CsvBorders implements RecordBorders {
  private state: 'field_start' | 'unquoted' | 'quoted' | 'quote_in_quoted' = 'field_start';
  private quoteAt = -1;
  private searched: Uint8Array | undefined;

  next(bytes: Uint8Array, from: number): number {
    // A piece begins, and may be the same array as an earlier one.
    if (from === 0) this.searched = undefined;
    if (this.state !== 'quoted' && this.state !== 'quote_in_quoted') {
      const lineEnd = bytes.indexOf(LF, from);
      if (lineEnd !== -1 && !this.hasQuoteBefore(bytes, from, lineEnd)) {
        this.state = 'field_start';
        return lineEnd + 1;
      }
    }
    return this.scan(bytes, from);
  }

  /** Looks for each quote once per piece, so that bytes without quotes are searched at native speed. */
  private hasQuoteBefore(bytes: Uint8Array, from: number, end: number): boolean {
    if (this.searched !== bytes || (this.quoteAt !== -1 && this.quoteAt < from)) {
      this.searched = bytes;
      this.quoteAt = bytes.indexOf(QUOTE, from);
    }
    return this.quoteAt !== -1 && this.quoteAt < end;
  }

  private scan(bytes: Uint8Array, from: number): number {
    let state = this.state;
    for (let index = from; index < bytes.length; index++) {
      const byte = bytes[index];
      if (state === 'quoted') {
        if (byte === QUOTE) state = 'quote_in_quoted';
      } else if (byte === LF) {
        this.state = 'field_start';
        return index + 1;
      } else if (byte === COMMA) {
        state = 'field_start';
      } else if (byte === QUOTE) {
        state = state === 'unquoted' ? 'unquoted' : 'quoted';
      } else {
        state = 'unquoted';
      }
    }
    this.state = state;
    return -1;
  }
}

/** True for a line that holds nothing but white space: it is no record and counts as no row. */
export function isBlank(bytes: Uint8Array, from: number, end: number): boolean {
  for (let index = from; index < end; index++) {
    const byte = bytes[index];
    if (byte !== LF && byte !== CR && byte !== SPACE && byte !== TAB) return false;
  }
  return true;
}
