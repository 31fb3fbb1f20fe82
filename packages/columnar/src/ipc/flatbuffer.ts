/**
 * Reads FlatBuffers, in which Arrow writes its metadata, and believes no offset: whatever the bytes are, a read ends in
 * bounded time, within them, or in an error.
 */

/** Bytes that are not what Arrow's format says. */
export class MalformedArrowError extends Error {}

/** What may be read of one buffer, in multiples of its size: tables that point to each other could be read for ever. */
const READS_MAX = 4;

/** For a table that is pointed to, which becomes objects; many may point to one. */
const TABLE_READS = 32;

export class Table {
  private constructor(
    private readonly view: DataView,
    private readonly start: number,
    private readonly reads: { left: number },
  ) {}

  static root(bytes: Uint8Array): Table {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const reads = { left: READS_MAX * bytes.byteLength };
    return within(() => new Table(view, view.getUint32(0, true), reads));
  }

  int8(field: number, absent = 0): number {
    return this.scalar(field, absent, (at) => this.view.getInt8(at));
  }

  int16(field: number, absent = 0): number {
    return this.scalar(field, absent, (at) => this.view.getInt16(at, true));
  }

  int32(field: number, absent = 0): number {
    return this.scalar(field, absent, (at) => this.view.getInt32(at, true));
  }

  /** A length or an offset. */
  size(field: number): number {
    return this.scalar(field, 0, (at) => sizeOf(this.view.getBigInt64(at, true)));
  }

  bool(field: number): boolean {
    return this.int8(field) !== 0;
  }

  table(field: number): Table | undefined {
    return this.scalar(field, undefined, (at) => this.tableAt(at));
  }

  tables(field: number): Table[] {
    return this.scalar(field, [], (at) => {
      const { start, length } = this.vectorAt(at, 4);
      return Array.from({ length }, (_, index) => this.tableAt(start + 4 * index));
    });
  }

  text(field: number): string {
    return this.scalar(field, '', (at) => {
      const { start, length } = this.vectorAt(at, 1);
      return UTF8.decode(new Uint8Array(this.view.buffer, this.view.byteOffset + start, length));
    });
  }

  /** A vector of pairs of 64-bit sizes. */
  pairs(field: number): [number, number][] {
    return this.scalar(field, [], (at) => {
      const { start, length } = this.vectorAt(at, 16);
      const sizeAt = (place: number) => sizeOf(this.view.getBigInt64(place, true));
      return Array.from({ length }, (_, index) => {
        const place = start + 16 * index;
        return [sizeAt(place), sizeAt(place + 8)] as [number, number];
      });
    });
  }

  /** A vector of 64-bit sizes. */
  sizes(field: number): number[] {
    return this.scalar(field, [], (at) => {
      const { start, length } = this.vectorAt(at, 8);
      return Array.from({ length }, (_, index) => sizeOf(this.view.getBigInt64(start + 8 * index, true)));
    });
  }

  private scalar<T>(field: number, absent: T, read: (at: number) => T): T {
    return within(() => {
      const vtable = this.start - this.view.getInt32(this.start, true);
      const entry = 4 + 2 * field;
      if (entry + 2 > this.view.getUint16(vtable, true)) return absent;
      const offset = this.view.getUint16(vtable + entry, true);
      return offset === 0 ? absent : read(this.start + offset);
    });
  }

  private tableAt(at: number): Table {
    this.charge(TABLE_READS);
    return new Table(this.view, at + this.view.getUint32(at, true), this.reads);
  }

  private vectorAt(at: number, width: number): { start: number; length: number } {
    const start = at + this.view.getUint32(at, true) + 4;
    const length = this.view.getUint32(start - 4, true);
    if (start + length * width > this.view.byteLength) throw new RangeError();
    this.charge(length * width);
    return { start, length };
  }

  private charge(bytes: number): void {
    this.reads.left -= bytes;
    if (this.reads.left < 0) throw new RangeError();
  }
}

const UTF8 = new TextDecoder();

function sizeOf(value: bigint): number {
  const size = Number(value);
  if (!Number.isSafeInteger(size) || size < 0) throw new RangeError();
  return size;
}

/** A `DataView` throws a RangeError where it would read beyond its end. */
function within<T>(read: () => T): T {
  try {
    return read();
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause;
    throw new MalformedArrowError('the metadata of a message is broken', { cause });
  }
}
