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
    tell(next?.value === undefined ? { kind: 'end' } : { kind: 'piece', bytes: next.value });
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

function tell(message: FromParquetThread): void {
  parentPort?.postMessage(message);
}
