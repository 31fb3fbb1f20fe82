/** The thread that unpacks Parquet: gives pieces as they are wanted, and asks for the bytes that it needs. */
import { parentPort } from 'node:worker_threads';
import { arrowOf } from './parquet-arrow.js';
import { linesOf } from './parquet-lines.js';
import type { FromParquetThread, ParquetOutput, ToParquetThread } from './parquet-messages.js';
import type { RandomAccess } from './random-access.js';

const reads = new Map<number, (bytes: ArrayBuffer) => void>();
let lastRead = 0;
let pieces: AsyncGenerator<Uint8Array> | undefined;

const UNPACK: Record<ParquetOutput, (file: RandomAccess) => AsyncGenerator<Uint8Array>> = {
  lines: (file) => linesOf(file),
  arrow: arrowOf,
};

parentPort?.on('message', (message: ToParquetThread) => {
  switch (message.kind) {
    case 'open':
      pieces = UNPACK[message.as](askedFor(message.byteLength));
      return;
    case 'next':
      void sendNext();
      return;
    case 'range':
      reads.get(message.id)?.(message.bytes);
      reads.delete(message.id);
  }
});

async function sendNext(): Promise<void> {
  try {
    const next = await pieces?.next();
    const bytes = next?.value;
    if (bytes === undefined) tell({ kind: 'end' });
    else tell({ kind: 'piece', bytes }, ownBuffer(bytes));
  } catch (error) {
    tell({ kind: 'malformed', message: (error as Error).message });
  }
}

/** A read that fails is never answered: this thread is ended then. */
function askedFor(byteLength: number): RandomAccess {
  return {
    byteLength,
    slice: (start, end = byteLength) =>
      new Promise((resolve, reject) => {
        if (!(0 <= start && start <= end && end <= byteLength)) {
          reject(new Error(`it points to bytes ${start} to ${end} of ${byteLength}`));
          return;
        }
        const id = ++lastRead;
        reads.set(id, resolve);
        tell({ kind: 'read', id, start, end });
      }),
  };
}

function tell(message: FromParquetThread, moved: ArrayBuffer[] = []): void {
  parentPort?.postMessage(message, moved);
}

/** What can be moved and need not be copied: the buffer of bytes that share it with nothing else. */
function ownBuffer({ buffer, byteLength }: Uint8Array): ArrayBuffer[] {
  return buffer instanceof ArrayBuffer && buffer.byteLength === byteLength ? [buffer] : [];
}
