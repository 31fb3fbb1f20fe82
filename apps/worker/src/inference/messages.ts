/** What the main thread and the inference threads say to each other. */
import type { Manifest } from '@millrace/batch/manifest/manifest';
import type { ChunkResult } from '@millrace/batch/results/encode-chunk';
import type { StoredSource } from '@millrace/columnar/rows/decode-stored';

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
}

export interface PredictReply {
  result: ChunkResult;
  /** Of the thread, by step. */
  seconds: { decode: number; infer: number; encode: number };
}

export type ThreadRequest =
  | { kind: 'load'; model: LoadableModel }
  | { kind: 'predict'; request: PredictRequest };

export type ThreadReply = { ok: true; value?: PredictReply } | { ok: false; message: string };
