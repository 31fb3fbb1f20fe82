/** Parquet bodies is responsible for bodies that are Parquet files: how many are in memory, and how many are unpacked, at once. */
import { BatchError } from '@millrace/batch/errors';
import { ParquetError, ParquetUnpacker } from '@millrace/parquet/parquet-unpacker';
import { WholeBodies } from './whole-bodies.js';

const STEP_MS = 30_000;

/** Threads at once, one for each file. */
const THREADS_MAX = 4;

export class ParquetBodies {
  /** As they came. */
  readonly files: WholeBodies;
  private running = 0;

  /** @param maxBytes of all files together @param stepMs how long one column of a row group may take */
  constructor(
    maxBytes: number,
    private readonly stepMs = STEP_MS,
  ) {
    this.files = new WholeBodies(maxBytes);
  }

  /**
   * Arrow streams with the rows of a file, each in one piece.
   * @throws BatchError `malformed_body`, `overloaded`
   */
  async *unpack(body: Buffer): AsyncGenerator<Uint8Array> {
    if (this.running >= THREADS_MAX) throw tooMany();
    const unpacker = new ParquetUnpacker(this.stepMs);
    this.running++;
    try {
      yield* unpacker.unpack(rangesOf(body), 'arrow');
    } catch (error) {
      throw error instanceof ParquetError ? malformed(error) : error;
    } finally {
      // Its memory is taken until it has ended.
      await unpacker.end().finally(() => {
        this.running--;
      });
    }
  }
}

function rangesOf(body: Buffer) {
  return {
    byteLength: body.length,
    // A copy: it is moved to the thread.
    slice: async (start: number, end = body.length) => Uint8Array.from(body.subarray(start, end)).buffer,
  };
}

function malformed(cause: ParquetError): BatchError {
  const message = `the body cannot be read as Parquet: ${cause.message}`;
  return new BatchError('malformed_body', message, {}, { cause });
}

function tooMany(): BatchError {
  return new BatchError(
    'overloaded',
    'too many Parquet files are being unpacked at once; try again, or send an Arrow stream',
  );
}
