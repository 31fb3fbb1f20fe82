/** Bytes as a file that is read by ranges. */
import type { RandomAccess } from '@millrace/parquet/random-access';

/** @param ranges hears which were read */
export function rangesOf(buffer: ArrayBuffer, ranges: string[] = []): RandomAccess {
  return {
    byteLength: buffer.byteLength,
    async slice(start, end = buffer.byteLength) {
      ranges.push(`${start}-${end}`);
      return buffer.slice(start, end);
    },
  };
}
