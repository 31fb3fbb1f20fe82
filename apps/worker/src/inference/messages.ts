/** What the main thread and the inference threads say to each other. */
import type { ChunkResult } from '@millrace/batch/results/encode-chunk';
import type { ChunkSource } from '@millrace/batch/rows/decode-chunk';
import type { ModelFiles } from '../models/model-directory.js';

/** Given to every thread when it starts: what it can be asked to run, by `name@version`. */
export interface ThreadData {
  models: Record<string, ModelFiles>;
}

export interface PredictRequest {
  model: string;
  source: ChunkSource;
}

export interface PredictReply {
  result: ChunkResult;
  /** Of the thread, by step. */
  seconds: { decode: number; infer: number; encode: number };
}

export interface ProveRequest {
  model: string;
}

export interface ProveReply {
  /** Of inference alone, at the manifest's micro-batch. */
  secondsPerRow: number;
}
