/** Reads Parquet files as NDJSON lines. They are unpacked in a thread of its own, while this one has leases to renew. */
import { ParquetError, ParquetUnpacker } from '@millrace/parquet/parquet-unpacker';
import { RunError } from '../run-error.js';
import type { SourceFile } from './source-file.js';

/** How long one column of a row group may take. */
const STEP_MS = 120_000;

/** @throws RunError `source_malformed`, and whatever reading the ranges of a file throws */
export async function* parquetLines(
  files: readonly SourceFile[],
  stepMs = STEP_MS,
): AsyncGenerator<Uint8Array> {
  const unpacker = new ParquetUnpacker(stepMs);
  try {
    for (const file of files) {
      const ranges = await file.ranges();
      try {
        yield* unpacker.unpack(ranges, 'lines');
      } catch (error) {
        throw error instanceof ParquetError ? malformed(file.name, error) : error;
      } finally {
        await ranges.close?.();
      }
    }
  } finally {
    await unpacker.end();
  }
}

function malformed(name: string, cause: ParquetError): RunError {
  return new RunError('source_malformed', `${name} cannot be read as Parquet: ${cause.message}`, false, {
    cause,
  });
}
