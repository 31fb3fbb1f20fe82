/** The stored splitter is responsible for making chunks of parts of stored Arrow chunks, each of which comes in one piece. */
import type { Chunk, Splitter } from '@millrace/batch/split/chunk-splitter';
import { type ChunkBounds, ColumnChunker } from './column-chunker.js';
import { readChunk } from './stored-chunk.js';

export class StoredSplitter implements Splitter {
  private chunker: ColumnChunker | undefined;

  /** The rows have been taken once: none is too long. */
  constructor(private readonly bounds: Omit<ChunkBounds, 'maxRowBytes'>) {}

  *push(piece: Uint8Array): Generator<Chunk> {
    const { fields, ...batch } = readChunk(piece);
    this.chunker ??= new ColumnChunker(fields, { ...this.bounds, maxRowBytes: Number.POSITIVE_INFINITY });
    yield* this.chunker.add(batch);
  }

  *end(): Generator<Chunk> {
    if (this.chunker !== undefined) yield* this.chunker.end();
  }
}
