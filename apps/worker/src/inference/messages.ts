/** What the main thread and the inference threads say to each other. */
import type { MessagePort } from 'node:worker_threads';
import type { Manifest } from '@millrace/batch/manifest/manifest';
import type { ChunkResult } from '@millrace/batch/results/encode-chunk';
import type { StoredSource } from '@millrace/columnar/rows/decode-stored';
import type { CacheReport } from '../cache/messages.js';

/** A proved version, as a thread loads it. */
export interface LoadableModel {
  /** Tells this version from all others, and from the same one with other files. */
  pin: string;
  /** Of the ONNX file that was proved. */
  path: string;
  manifest: Manifest;
  /** Predicted once at load, so that the first chunk finds the session warm. */
  example: unknown;
}

export interface PredictRequest {
  pin: string;
  source: StoredSource;
  /** Looked at between micro-batches: not 0 when nobody wants the result any more. */
  givenUp?: SharedArrayBuffer;
  /** Where to ask what is known of the rows; of a model with a prediction cache only. */
  lookups?: MessagePort;
}

/** When the steps of computing a chunk began and ended, in milliseconds by `monotonicMs`. */
export interface ComputeTimes {
  startedAt: number;
  decodedAt: number;
  inferredAt: number;
  encodedAt: number;
}

export interface PredictReply {
  result: ChunkResult;
  times: ComputeTimes;
  /** Of a request with `lookups`. */
  cached?: CacheReport;
}

export type ThreadRequest =
  | { kind: 'load'; model: LoadableModel }
  | { kind: 'predict'; request: PredictRequest };

export type ThreadReply = { ok: true; value?: PredictReply } | { ok: false; message: string };
