/** How rows are cut into chunks for a model. */
import { type ModelDescriptor, rowsPerChunk } from '@millrace/batch/model';
import { parseHeader } from '@millrace/batch/rows/csv';
import type { CsvColumn } from '@millrace/batch/rows/row-reader';
import { ChunkSplitter } from '@millrace/batch/split/chunk-splitter';
import type { LineFormat } from '@millrace/batch/split/record-borders';

/** A chunk is closed when it has reached this. */
const CHUNK_BYTES = 2 * 1024 * 1024;

/** Of a chunk that keeps an inference thread busy. */
export function chunkBounds(model: ModelDescriptor): { maxRows: number; maxBytes: number } {
  return { maxRows: rowsPerChunk(model), maxBytes: CHUNK_BYTES };
}

/**
 * `columns` is filled by the header line, which comes before the first chunk; it stays empty for NDJSON.
 * @param bounds of one chunk
 */
export function createSplitter(
  model: ModelDescriptor,
  format: LineFormat,
  maxRecordBytes: number,
  bounds = chunkBounds(model),
) {
  const columns: CsvColumn[] = [];
  const options = { format, ...bounds, maxRecordBytes };
  const onHeader = (header: Uint8Array) => void columns.push(...parseHeader(header, model.manifest));
  return { columns, splitter: new ChunkSplitter(format === 'csv' ? { ...options, onHeader } : options) };
}
