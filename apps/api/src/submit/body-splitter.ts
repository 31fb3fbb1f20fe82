/** How the body of a request is cut into chunks: lines by their ends, columns by their rows. */
import type { ModelDescriptor } from '@millrace/batch/model';
import type { CsvColumn } from '@millrace/batch/rows/row-reader';
import type { Splitter } from '@millrace/batch/split/chunk-splitter';
import type { ChunkFormat } from '@millrace/batch/task';
import type { ArrowField } from '@millrace/columnar/ipc/arrow-type';
import { ArrowSplitter } from '@millrace/columnar/rows/arrow-splitter';
import { planColumns } from '@millrace/columnar/rows/plan';
import { StoredSplitter } from '@millrace/columnar/rows/stored-splitter';
import { chunkBounds, createSplitter } from '@millrace/tasks/splitter';

/** Of the pieces of a body: Parquet comes unpacked, JSON as lines. */
export type PieceFormat = 'ndjson' | 'csv' | 'arrow' | 'parquet';

/** In bytes. */
export interface RecordLimits {
  maxRowBytes: number;
  maxBatchBytes: number;
}

/** What a body may take: of memory beyond these, `hold` is asked for the record batch that comes. */
export type BodyRoom = RecordLimits & { hold(bytes: number): void };

/**
 * `columns` says what the fields of CSV records hold once the header line has come; it stays empty for other formats.
 * @param bounds of one chunk
 */
export function splitterOf(
  model: ModelDescriptor,
  format: PieceFormat,
  { maxRowBytes, maxBatchBytes, hold }: BodyRoom,
  bounds = chunkBounds(model),
): { columns: CsvColumn[]; splitter: Splitter } {
  const { manifest } = model;
  switch (format) {
    case 'arrow':
      return {
        columns: [],
        splitter: new ArrowSplitter({ manifest, ...bounds, maxRowBytes, maxBatchBytes, hold }),
      };
    case 'parquet': {
      const onFields = (fields: readonly ArrowField[]) => void planColumns(fields, manifest);
      return { columns: [], splitter: new StoredSplitter({ ...bounds, maxRowBytes }, onFields) };
    }
    default:
      return createSplitter(model, format, maxRowBytes, bounds);
  }
}

/** In which chunks of such pieces are stored. */
export function chunkFormat(format: PieceFormat): ChunkFormat {
  return format === 'parquet' ? 'arrow' : format;
}
