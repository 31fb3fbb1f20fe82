/**
 * Reads Parquet files as NDJSON lines. They are unpacked in a thread of its own: that computes for seconds, in which this
 * one has leases to renew, and of a broken file it may have no end.
 */
import { on } from 'node:events';
import { Worker } from 'node:worker_threads';
import { RunError } from '../run-error.js';
import type { FromParquetThread, ToParquetThread } from './parquet-messages.js';
import type { RandomAccess } from './random-access.js';
import type { SourceFile } from './source-file.js';

/** How long one column of a row group may take. */
const STEP_MS = 120_000;

/** @throws RunError `source_malformed`, and whatever reading the ranges of a file throws */
export async function* parquetLines(
  files: readonly SourceFile[],
  stepMs = STEP_MS,
): AsyncGenerator<Uint8Array> {
  const thread = new ParquetThread(stepMs);
  try {
    for (const file of files) {
      const ranges = await file.ranges();
      try {
        yield* thread.linesOf(file.name, ranges);
      } finally {
        await ranges.close?.();
      }
    }
  } finally {
    await thread.end();
  }
}

/** ParquetThread is responsible for one thread: for the bytes that it asks for, and for its end when it falls silent. */
class ParquetThread {
  private readonly worker = new Worker(new URL('./parquet-thread.js', import.meta.url), { execArgv: [] });
  private readonly messages = on(this.worker, 'message') as AsyncIterator<[FromParquetThread]>;

  constructor(private readonly stepMs: number) {}

  async *linesOf(name: string, ranges: RandomAccess): AsyncGenerator<Uint8Array> {
    this.tell({ kind: 'open', byteLength: ranges.byteLength });
    this.tell({ kind: 'next' });
    for (;;) {
      const message = await this.answer(name);
      switch (message.kind) {
        case 'read': {
          const bytes = await ranges.slice(message.start, message.end);
          this.tell({ kind: 'range', id: message.id, bytes }, [bytes]);
          break;
        }
        case 'piece':
          yield message.bytes;
          this.tell({ kind: 'next' });
          break;
        case 'malformed':
          throw malformed(name, message.message);
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

  private async answer(name: string): Promise<FromParquetThread> {
    let timer: NodeJS.Timeout | undefined;
    const silence = new Promise<never>((_, reject) => {
      const late = () => reject(malformed(name, `a part of it was not unpacked within ${this.stepMs} ms`));
      timer = setTimeout(late, this.stepMs);
    });
    // Rejects when the thread ends for want of memory.
    const next = this.messages.next().catch((error: unknown) => {
      throw malformed(name, (error as Error).message, error);
    });
    try {
      const { value } = await Promise.race([next, silence]);
      return value[0];
    } finally {
      clearTimeout(timer);
    }
  }
}

function malformed(name: string, problem: string, cause?: unknown): RunError {
  return new RunError('source_malformed', `${name} cannot be read as Parquet: ${problem}`, false, { cause });
}
