/** Reads of a file that is far away, or slow to read, which are wanted again. */
import type { RandomAccess } from './random-access.js';

/**
 * KeptReads is responsible for reading a range once until all are forgotten, as far as a bound of bytes allows. A buffer
 * of it is given out again: nobody may write into it.
 */
export class KeptReads {
  private readonly kept = new Map<string, ArrayBuffer>();
  private bytes = 0;

  constructor(
    private readonly file: RandomAccess,
    private readonly maxBytes: number,
  ) {}

  get byteLength(): number {
    return this.file.byteLength;
  }

  async slice(start: number, end = this.byteLength): Promise<ArrayBuffer> {
    const range = `${start}-${end}`;
    const kept = this.kept.get(range);
    if (kept !== undefined) return kept;
    const read = await this.file.slice(start, end);
    if (this.bytes + read.byteLength <= this.maxBytes) {
      this.kept.set(range, read);
      this.bytes += read.byteLength;
    }
    return read;
  }

  forget(): void {
    this.kept.clear();
    this.bytes = 0;
  }
}
