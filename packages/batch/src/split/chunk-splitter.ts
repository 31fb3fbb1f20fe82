/** Cuts a stream of bytes into chunks of whole records while it arrives. Copies each byte once, parses nothing. */
import { BatchError } from '../errors.js';
import { isBlank, type LineFormat, type RecordBorders, recordBorders } from './record-borders.js';

/** A contiguous run of a task's rows, in the bytes they came in. */
export interface Chunk {
  /** Counts from 0 within the task. */
  index: number;
  firstRow: number;
  rows: number;
  bytes: Uint8Array;
}

/** Cuts a body into chunks while it arrives. */
export interface Splitter {
  /** The chunks that a piece completes. @throws BatchError for what the body cannot be */
  push(piece: Uint8Array): Iterable<Chunk>;
  /** The rest. To be called when no piece comes any more. @throws BatchError for what the body cannot be */
  end(): Iterable<Chunk>;
}

export interface SplitOptions {
  format: LineFormat;
  maxRows: number;
  /** A chunk is closed with the record or the blank line that reaches this size. */
  maxBytes: number;
  /** A longer record refuses the upload: a border that does not come would otherwise hold everything in memory. */
  maxRecordBytes: number;
  /** When given, the first record is passed here and belongs to no chunk. */
  onHeader?: (record: Uint8Array) => void;
}

export class ChunkSplitter implements Splitter {
  private readonly borders: RecordBorders;
  /** Earlier pieces of the chunk being filled. */
  private held: Uint8Array[] = [];
  private heldBytes = 0;
  /** Of the record that the last piece left open. */
  private openBytes = 0;
  private openIsBlank = true;
  private rows = 0;
  private firstRow = 0;
  private index = 0;
  private awaitsHeader: boolean;

  constructor(private readonly options: SplitOptions) {
    this.borders = recordBorders(options.format);
    this.awaitsHeader = options.onHeader !== undefined;
  }

  /** Rows in all records that have ended so far. */
  get rowsSeen(): number {
    return this.firstRow + this.rows;
  }

  /**
   * The chunks that this piece completes. One of nothing but blank lines has no rows and takes no index.
   * @throws BatchError `row_too_large`
   */
  *push(piece: Uint8Array): Generator<Chunk> {
    let chunkStart = 0;
    let recordStart = 0;
    while (recordStart < piece.length) {
      const end = this.borders.next(piece, recordStart);
      const stop = end === -1 ? piece.length : end;
      this.extendRecord(piece, recordStart, stop);
      if (end === -1) break;
      const isRow = this.closeRecord();
      recordStart = end;
      if (isRow && this.awaitsHeader) {
        this.takeHeader(piece.subarray(chunkStart, end));
        chunkStart = end;
      } else if (this.isFull(end - chunkStart)) {
        yield this.cut(piece.subarray(chunkStart, end));
        chunkStart = end;
      }
    }
    if (chunkStart < piece.length) {
      this.held.push(piece.subarray(chunkStart));
      this.heldBytes += piece.length - chunkStart;
    }
  }

  /** What is left once the bytes have ended: at most one chunk; it has no rows when only blank lines were left. */
  *end(): Generator<Chunk> {
    if (this.openBytes > 0 && this.closeRecord() && this.awaitsHeader) {
      this.takeHeader(new Uint8Array(0));
    }
    if (this.heldBytes > 0) yield this.cut(new Uint8Array(0));
  }

  private extendRecord(piece: Uint8Array, from: number, stop: number): void {
    this.openIsBlank = this.openIsBlank && isBlank(piece, from, stop);
    this.openBytes += stop - from;
    if (this.openBytes > this.options.maxRecordBytes) {
      const row = this.rowsSeen;
      const name = this.awaitsHeader ? 'the header line' : `row ${row}`;
      const hint = this.options.format === 'csv' ? ' (is a quote left open?)' : '';
      throw new BatchError(
        'row_too_large',
        `${name} is longer than ${this.options.maxRecordBytes} bytes${hint}`,
        {
          row,
          limit_bytes: this.options.maxRecordBytes,
        },
      );
    }
  }

  /** Ends the open record; true when it counts as a row. */
  private closeRecord(): boolean {
    const isRow = !this.openIsBlank;
    // Blank lines before the header count as a part of it, so that its limit holds for them too.
    if (isRow || !this.awaitsHeader) this.openBytes = 0;
    this.openIsBlank = true;
    if (isRow && !this.awaitsHeader) this.rows++;
    return isRow;
  }

  private isFull(newBytes: number): boolean {
    if (this.awaitsHeader) return false;
    return this.rows >= this.options.maxRows || this.heldBytes + newBytes >= this.options.maxBytes;
  }

  private takeHeader(tail: Uint8Array): void {
    this.awaitsHeader = false;
    this.options.onHeader?.(this.join(tail));
  }

  private cut(tail: Uint8Array): Chunk {
    const chunk = { index: this.index, firstRow: this.firstRow, rows: this.rows, bytes: this.join(tail) };
    if (this.rows > 0) this.index++;
    this.firstRow += this.rows;
    this.rows = 0;
    return chunk;
  }

  private join(tail: Uint8Array): Uint8Array {
    const bytes = new Uint8Array(this.heldBytes + tail.length);
    let offset = 0;
    for (const piece of this.held) {
      bytes.set(piece, offset);
      offset += piece.length;
    }
    bytes.set(tail, offset);
    this.held = [];
    this.heldBytes = 0;
    return bytes;
  }
}
