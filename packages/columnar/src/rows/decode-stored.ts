/** Turns the bytes of a chunk of any format into input tensors, the ids, and an error for every row that could not be read. */
import type { Manifest } from '@millrace/batch/manifest/manifest';
import type { ChunkSource, DecodedChunk } from '@millrace/batch/rows/chunk-rows';
import { decodeChunk } from '@millrace/batch/rows/decode-chunk';
import type { RowReader } from '@millrace/batch/rows/row-reader';
import type { ChunkFormat } from '@millrace/batch/task';
import { decodeArrow } from './decode-arrow.js';

export type StoredSource = Omit<ChunkSource, 'format'> & { format: ChunkFormat };

export function decodeStored(source: StoredSource, reader: RowReader, manifest: Manifest): DecodedChunk {
  const { format } = source;
  return format === 'arrow'
    ? decodeArrow(source, reader, manifest)
    : decodeChunk({ ...source, format }, reader);
}
