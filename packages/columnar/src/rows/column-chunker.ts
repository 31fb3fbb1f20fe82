/**
 * The column chunker is responsible for cutting the rows of record batches into chunks, in order. Columns are copied, no row
 * is decoded.
 */
import { BatchError } from '@millrace/batch/errors';
import type { Chunk } from '@millrace/batch/split/chunk-splitter';
import type { Column, PlainColumn } from '../column.js';
import { type ArrowField, type ValueType, valueTypeOf } from '../ipc/arrow-type.js';
import type { Batch } from '../ipc/batch.js';
import { type NamedType, writeStream } from '../ipc/writer.js';
import { joinSlices, type Slice, sliceBytes } from '../join.js';

export interface ChunkBounds {
  maxRows: number;
  /** A chunk is closed before the row with which it would have more. */
  maxBytes: number;
  /** A longer row, which is a chunk of its own, refuses the upload. */
  maxRowBytes: number;
}

/** Rows behind one another. */
interface Part {
  slices: Slice[];
  rows: number;
}

/** Many small record batches make one chunk; so many of their parts are joined now and then. */
const PARTS_MAX = 64;

export class ColumnChunker {
  private readonly types: NamedType[];
  /** What the next chunk has so far. */
  private held: Part[] = [];
  private heldRows = 0;
  private heldBytes = 0;
  private index = 0;
  private firstRow = 0;

  /** @param fields of which no feature is of the layout `other` */
  constructor(
    fields: readonly ArrowField[],
    private readonly bounds: ChunkBounds,
  ) {
    this.types = fields.map(({ name, type }) => ({ name, type: valueTypeOf(type) as ValueType }));
  }

  /** The chunks that these rows complete. Keeps none of the batch's buffers. @throws BatchError `row_too_large` */
  *add({ columns, rows }: Batch): Generator<Chunk> {
    if (rows === 0) return;
    for (let start = 0; start < rows; ) {
      const end = this.endOfPart(columns, start, rows);
      if (end > start) this.hold(columns, start, end);
      if (end < rows || this.isFull()) yield this.cut();
      start = end;
    }
    this.letGo();
  }

  /** The rest. */
  *end(): Generator<Chunk> {
    if (this.heldRows > 0) yield this.cut();
  }

  /** Up to which row there is room in the chunk; none when it is to be cut first. */
  private endOfPart(columns: readonly Column[], start: number, rows: number): number {
    const { maxRows, maxBytes, maxRowBytes } = this.bounds;
    const hasRoom = (end: number) => this.heldBytes + bytesOf(columns, start, end) <= maxBytes;
    let most = Math.min(rows, start + maxRows - this.heldRows);
    let fits = hasRoom(most) ? most : start;
    while (fits < most) {
      const middle = Math.ceil((fits + most) / 2);
      if (hasRoom(middle)) fits = middle;
      else most = middle - 1;
    }
    if (fits > start || this.heldRows > 0) return fits;
    if (bytesOf(columns, start, start + 1) > maxRowBytes) {
      const message = `row ${this.firstRow} is longer than ${maxRowBytes} bytes`;
      throw new BatchError('row_too_large', message, { row: this.firstRow, limit_bytes: maxRowBytes });
    }
    return start + 1;
  }

  private hold(columns: readonly Column[], start: number, end: number): void {
    const slices = columns.map((column): Slice => ({ column, start, end }));
    this.held.push({ slices, rows: end - start });
    this.heldRows += end - start;
    this.heldBytes += bytesOf(columns, start, end);
  }

  private isFull(): boolean {
    return this.heldRows >= this.bounds.maxRows || this.heldBytes >= this.bounds.maxBytes;
  }

  /** Copies what the chunk has of the last batch. */
  private letGo(): void {
    const last = this.held.pop();
    if (last === undefined) return;
    this.held.push(joined([last]));
    if (this.held.length >= PARTS_MAX) this.held = [joined(this.held)];
  }

  private cut(): Chunk {
    const { slices, rows } = joined(this.held);
    const columns = slices.map(({ column }) => column as PlainColumn);
    const bytes = writeStream(this.types, columns, rows);
    const chunk = { index: this.index, firstRow: this.firstRow, rows, bytes };
    this.index++;
    this.firstRow += rows;
    this.held = [];
    this.heldRows = 0;
    this.heldBytes = 0;
    return chunk;
  }
}

/** As one part in buffers of its own. */
function joined(parts: readonly Part[]): Part {
  const rows = parts.reduce((sum, part) => sum + part.rows, 0);
  const width = parts[0]?.slices.length ?? 0;
  const slices = Array.from({ length: width }, (_, at): Slice => {
    const column = joinSlices(parts.map((part) => part.slices[at] as Slice));
    return { column, start: 0, end: rows };
  });
  return { slices, rows };
}

function bytesOf(columns: readonly Column[], start: number, end: number): number {
  return columns.reduce((sum, column) => sum + sliceBytes({ column, start, end }), 0);
}
