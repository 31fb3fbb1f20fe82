/** What a worker and the process for a suspect chunk say to each other. One question at a time. */
import type { ChunkResult } from '@millrace/batch/results/encode-chunk';
import type { StoredSource } from '@millrace/columnar/rows/decode-stored';
import type { LoadableModel } from '../inference/messages.js';

/** Rows that are given up, by their index among those that could be read. */
export interface LostRows {
  rows: Uint32Array;
  code: 'timeout' | 'worker_lost';
  message: string;
}

export type SuspectRequest =
  | { kind: 'open'; model: LoadableModel; source: StoredSource }
  | { kind: 'predict'; rows: Uint32Array }
  | { kind: 'encode'; parts: readonly Uint8Array[]; lost: readonly LostRows[] };

export type SuspectReply =
  /** @property batches the rows that could be read, in micro-batches */
  | { kind: 'opened'; batches: Uint32Array[] }
  /** @property part what came of the rows, serialized: only `encode` looks into it */
  | { kind: 'predicted'; part: Uint8Array }
  | { kind: 'encoded'; result: ChunkResult }
  | { kind: 'refused'; message: string };
