/**
 * The Parquet unpacker is responsible for one thread that unpacks files: for the bytes that it asks for, and for its end
 * when it falls silent. Unpacking computes for seconds, in which other things have to be done, and of a broken file it may
 * have no end.
 */
import { on } from 'node:events';
import { Worker } from 'node:worker_threads';
import type { FromParquetThread, ParquetOutput, ToParquetThread } from './parquet-messages.js';
import type { RandomAccess } from './random-access.js';

/** A file is none, or is broken; the message says how. */
export class ParquetError extends Error {}

export class ParquetUnpacker {
  private readonly worker = new Worker(new URL('./parquet-thread.js', import.meta.url), { execArgv: [] });
  private readonly messages = on(this.worker, 'message') as AsyncIterator<[FromParquetThread]>;

  /** @param stepMs how long one column of a row group may take */
  constructor(private readonly stepMs: number) {}

  /** The pieces of a file; another one may follow when they were read to their end. @throws ParquetError, and whatever reading its ranges throws */
  async *unpack(file: RandomAccess, as: ParquetOutput): AsyncGenerator<Uint8Array> {
    this.tell({ kind: 'open', byteLength: file.byteLength, as });
    this.tell({ kind: 'next' });
    for (;;) {
      const message = await this.answer();
      switch (message.kind) {
        case 'read': {
          const bytes = await file.slice(message.start, message.end);
          this.tell({ kind: 'range', id: message.id, bytes }, [bytes]);
          break;
        }
        case 'piece':
          // The next one is unpacked while this one is used.
          this.tell({ kind: 'next' });
          yield message.bytes;
          break;
        case 'malformed':
          throw new ParquetError(message.message);
        case 'end':
          return;
      }
    }
  }

  async end(): Promise<void> {
    await this.worker.terminate();
  }

  private tell(message: ToParquetThread, moved: ArrayBuffer[] = []): void {
    this.worker.postMessage(message, moved);
  }

  private async answer(): Promise<FromParquetThread> {
    let timer: NodeJS.Timeout | undefined;
    const silence = new Promise<never>((_, reject) => {
      const late = () => reject(new ParquetError(`a part of it was not unpacked within ${this.stepMs} ms`));
      timer = setTimeout(late, this.stepMs);
    });
    // Rejects when the thread ends for want of memory.
    const next = this.messages.next().catch((error: unknown) => {
      throw new ParquetError((error as Error).message, { cause: error });
    });
    try {
      const { value } = await Promise.race([next, silence]);
      return value[0];
    } finally {
      clearTimeout(timer);
    }
  }
}
