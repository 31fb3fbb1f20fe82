/** What a worker gets when it starts a chunk, read from the answer of the BEGIN script. */
import type { CsvColumn } from '@millrace/batch/rows/row-reader';
import { CHUNK_FORMATS, type Task } from '@millrace/batch/task';
import { z } from 'zod';
import { ColumnsJson } from './task-record.js';

/** What `begin` found. */
export type Begun =
  | { kind: 'started'; chunk: StartedChunk }
  /** Another run has committed it. */
  | { kind: 'done' }
  /** The task is finished, refused or expired: there is nothing to do. */
  | { kind: 'gone' }
  /** The input bytes are missing though the chunk is not done. */
  | { kind: 'lost'; chunk: ChunkPlace }
  /** The worker does not serve the task's model: nothing was started. */
  | { kind: 'unserved'; chunk: ChunkPlace };

/** Which rows of what a chunk holds. */
export interface ChunkPlace {
  firstRow: number;
  rows: number;
  model: string;
  requestId: string;
}

export interface StartedChunk extends ChunkPlace {
  format: Task['format'];
  columns: readonly CsvColumn[];
  /** The version with the files that it had when the task was accepted. */
  pin: string;
  /** Undefined when they are many: `TaskStore.readInput` has them. */
  bytes?: Buffer;
  /** When it was begun, in microseconds by the clock of Redis. */
  begunAt: number;
}

export function parseBegun(answer: unknown): Begun {
  const reply = BeginReply.parse(answer);
  switch (reply[0]) {
    case 'gone':
    case 'done':
      return { kind: reply[0] };
    case 'lost':
    case 'unserved': {
      const [kind, firstRow, rows, model, requestId] = reply;
      return { kind, chunk: { firstRow, rows, model, requestId } };
    }
    case 'started': {
      const [kind, firstRow, rows, model, requestId, format, columns, fingerprint, bytes, begunAt] = reply;
      const pin = `${model} ${fingerprint}`;
      const handedOut = bytes === null ? {} : { bytes };
      return {
        kind,
        chunk: { firstRow, rows, model, requestId, format, columns, pin, begunAt, ...handedOut },
      };
    }
  }
}

const Text = z.instanceof(Buffer).transform(String);
const Count = Text.pipe(z.string().min(1)).transform(Number).pipe(z.number());

/** The answer of the BEGIN script, in bytes. */
const BeginReply = z.union([
  z.tuple([Text.pipe(z.enum(['gone', 'done']))]),
  z.tuple([Text.pipe(z.enum(['lost', 'unserved'])), Count, Count, Text, Text]),
  z.tuple([
    Text.pipe(z.literal('started')),
    Count,
    Count,
    Text,
    Text,
    Text.pipe(z.enum(CHUNK_FORMATS)),
    Text.pipe(ColumnsJson)
      .nullable()
      .transform((columns) => columns ?? []),
    Text,
    z.instanceof(Buffer).nullable(),
    Count,
  ]),
]);
