/** How the body of a request is cut into chunks: lines by their ends, Arrow by its record batches. */
import { type ModelDescriptor, rowsPerChunk } from '@millrace/batch/model';
import type { CsvColumn } from '@millrace/batch/rows/row-reader';
import type { Splitter } from '@millrace/batch/split/chunk-splitter';
import type { ChunkFormat } from '@millrace/batch/task';
import { ArrowSplitter } from '@millrace/columnar/rows/arrow-splitter';
import { CHUNK_BYTES, createSplitter } from '@millrace/tasks/splitter';

/** In bytes. */
export interface RecordLimits {
  maxRowBytes: number;
  maxBatchBytes: number;
}

/**
 * `columns` says what the fields of CSV records hold once the header line has come; it stays empty for other formats.
 * @param bounds of one chunk; by default what keeps an inference thread busy
 */
export function splitterOf(
  model: ModelDescriptor,
  format: ChunkFormat,
  { maxRowBytes, maxBatchBytes }: RecordLimits,
  bounds = { maxRows: rowsPerChunk(model), maxBytes: CHUNK_BYTES },
): { columns: CsvColumn[]; splitter: Splitter } {
  if (format !== 'arrow') return createSplitter(model, format, maxRowBytes, bounds);
  const options = { manifest: model.manifest, ...bounds, maxRowBytes, maxBatchBytes };
  return { columns: [], splitter: new ArrowSplitter(options) };
}
