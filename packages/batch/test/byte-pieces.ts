import { type Chunk, ChunkSplitter, type SplitOptions } from '@millrace/batch/split/chunk-splitter';
import fc from 'fast-check';

/** Bytes in which line ends, quotes, commas, blanks and broken UTF-8 are frequent. */
export const anyBytes: fc.Arbitrary<Uint8Array> = fc
  .array(fc.oneof({ weight: 9, arbitrary: fc.constantFrom(...'"",\n\n\r \ta1é\uFEFF') }, fc.nat(255)), {
    maxLength: 120,
  })
  .map((parts) => Buffer.concat(parts.map((each) => Buffer.from(typeof each === 'string' ? each : [each]))))
  .map((bytes) => Uint8Array.from(bytes));

/** Where to cut; a place that occurs twice gives an empty piece. */
export const anyCuts: fc.Arbitrary<number[]> = fc.array(fc.nat(120), { maxLength: 20 });

export const anySizes = fc.record({ maxRows: fc.integer({ min: 1, max: 8 }), maxBytes: fc.nat(60) });

export function cutAt(bytes: Uint8Array, cuts: readonly number[]): Uint8Array[] {
  const ends = [...cuts.map((cut) => Math.min(cut, bytes.length)), bytes.length].sort((a, b) => a - b);
  return ends.map((end, index) => bytes.subarray(ends[index - 1] ?? 0, end));
}

/** All chunks of the input, which comes in these pieces. */
export function split(
  pieces: readonly Uint8Array[],
  options: Partial<SplitOptions> & Pick<SplitOptions, 'format'>,
): Chunk[] {
  const limits = { maxRows: 1000, maxBytes: 1e6, maxRecordBytes: 1e6 };
  const splitter = new ChunkSplitter({ ...limits, ...options });
  return [...pieces.flatMap((piece) => [...splitter.push(piece)]), ...splitter.end()];
}

export const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);
export const textOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString();
