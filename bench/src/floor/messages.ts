/** What goes between the floor and its threads. */
import type { Feature } from '../workloads/workload.js';

/** One thread's share of a workload. */
export interface Share {
  /** Path of model.onnx. */
  model: string;
  features: readonly Feature[];
  classes: readonly (string | number)[];
  firstRow: number;
  /** The rows as lines of NDJSON, in pieces of whole lines, */
  lines: Uint8Array[];
  /** and as the values of a tensor. */
  values: Float32Array | string[];
}

/** The steps of a batch without a platform around them. */
export const STEPS = ['parse', 'infer', 'format'] as const;
export type Step = (typeof STEPS)[number];

export type FloorRequest =
  | { kind: 'open'; share: Share }
  /** Infers some rows, to see how fast it is with this micro-batch. */
  | { kind: 'try'; microBatch: number }
  /** Does the step so many times. */
  | { kind: 'run'; step: Step; times: number; microBatch: number }
  | { kind: 'labels' };
export type FloorReply = { ok: true; labels?: Int32Array } | { ok: false; message: string };
