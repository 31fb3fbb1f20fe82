/** The stored splitter is responsible for making chunks of Arrow streams that were written here, each of which comes in one piece. */
import type { Chunk, Splitter } from '@millrace/batch/split/chunk-splitter';
import type { ArrowField } from '../ipc/arrow-type.js';
import { type ChunkBounds, ColumnChunker } from './column-chunker.js';
import { readChunk } from './stored-chunk.js';

export class StoredSplitter implements Splitter {
  private chunker: ColumnChunker | undefined;

  /** @param onFields hears of the columns, which are those of every stream */
  constructor(
    private readonly bounds: ChunkBounds,
    private readonly onFields: (fields: readonly ArrowField[]) => void = () => {},
  ) {}

  /** @throws BatchError `row_too_large`, and what `onFields` throws */
  *push(piece: Uint8Array): Generator<Chunk> {
    const { fields, ...batch } = readChunk(piece);
    if (this.chunker === undefined) {
      this.onFields(fields);
      this.chunker = new ColumnChunker(fields, this.bounds);
    }
    yield* this.chunker.add(batch);
  }

  *end(): Generator<Chunk> {
    if (this.chunker !== undefined) yield* this.chunker.end();
  }
}
