/**
 * The Arrow splitter is responsible for reading an Arrow IPC stream while it arrives, and for what refuses it. Holds one
 * record batch, the dictionaries, and rows that make no chunk yet.
 */
import { BatchError } from '@millrace/batch/errors';
import type { Manifest } from '@millrace/batch/manifest/manifest';
import type { Chunk, Splitter } from '@millrace/batch/split/chunk-splitter';
import type { ArrowField } from '../ipc/arrow-type.js';
import { CompressedArrowError, readBatch } from '../ipc/batch.js';
import { DictionaryStore } from '../ipc/dictionary-store.js';
import { MalformedArrowError } from '../ipc/flatbuffer.js';
import { type Message, MessageReader, MessageTooLargeError } from '../ipc/message-reader.js';
import { readSchema } from '../ipc/schema.js';
import { type ChunkBounds, ColumnChunker } from './column-chunker.js';
import { planColumns } from './plan.js';

/** Of one message: so many describe ten thousand columns, and more would be many objects each. */
const METADATA_BYTES_MAX = 4 * 1024 * 1024;

export interface ArrowSplitOptions extends ChunkBounds {
  manifest: Manifest;
  /** Of a record batch, and of all dictionaries. */
  maxBatchBytes: number;
  /** Hears how many bytes of a message and of the dictionaries are in memory from now on, and may refuse them. */
  hold?: (bytes: number) => void;
}

export class ArrowSplitter implements Splitter {
  private readonly messages: MessageReader;
  /** From the schema on. */
  private open: { fields: ArrowField[]; dictionaries: DictionaryStore; chunker: ColumnChunker } | undefined;

  constructor(private readonly options: ArrowSplitOptions) {
    const { maxBatchBytes, hold = () => {} } = options;
    const bounds = { metadata: METADATA_BYTES_MAX, body: maxBatchBytes };
    this.messages = new MessageReader(bounds, (bytes) =>
      hold(bytes + (this.open?.dictionaries.heldBytes ?? 0)),
    );
  }

  /** @throws BatchError `malformed_body`, `unsupported_encoding`, `record_batch_too_large`, `row_too_large`, and as `planColumns` */
  *push(piece: Uint8Array): Generator<Chunk> {
    try {
      for (const message of this.messages.push(piece)) yield* this.take(message);
    } catch (error) {
      throw refusal(error);
    }
  }

  /** @throws BatchError `malformed_body` */
  *end(): Generator<Chunk> {
    try {
      this.messages.end();
    } catch (error) {
      throw refusal(error);
    }
    if (this.open !== undefined) yield* this.open.chunker.end();
  }

  private *take({ kind, header, body }: Message): Generator<Chunk> {
    if (kind === 'schema') {
      if (this.open !== undefined) throw new MalformedArrowError('it has two schemas');
      const fields = readSchema(header);
      planColumns(fields, this.options.manifest);
      this.open = {
        fields,
        dictionaries: new DictionaryStore(fields, this.options.maxBatchBytes),
        chunker: new ColumnChunker(fields, this.options),
      };
      return;
    }
    if (this.open === undefined) throw new MalformedArrowError('it does not begin with a schema');
    const { fields, dictionaries, chunker } = this.open;
    if (kind === 'dictionary') dictionaries.add(header, body);
    else yield* chunker.add(readBatch(fields, header, body, dictionaries.values));
  }
}

function refusal(error: unknown): unknown {
  if (error instanceof MalformedArrowError) {
    const message = `the body is no whole Arrow IPC stream: ${error.message}`;
    return new BatchError('malformed_body', message, {}, { cause: error });
  }
  if (error instanceof MessageTooLargeError) {
    return new BatchError('record_batch_too_large', `${error.message}; ${error.hint}`, {
      limit_bytes: error.limitBytes,
    });
  }
  if (error instanceof CompressedArrowError) {
    const how = 'write them plain, and send the body with Content-Encoding: gzip if it is to be small';
    return new BatchError(
      'unsupported_encoding',
      `the record batches are compressed with ${error.message}; ${how}`,
    );
  }
  return error;
}
