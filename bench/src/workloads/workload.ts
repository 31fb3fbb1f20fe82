/** A workload: a model and rows for it. */
import type { Rows } from './rows.js';

/** What a feature's values must be. */
export type Feature =
  | { name: string; kind: 'number'; min: number; max: number }
  | { name: string; kind: 'text'; maxLength: number };

export interface Workload {
  /** The name under which the platform serves it. */
  model: string;
  /** The version folder: model.onnx and model.json. */
  folder: string;
  features: readonly Feature[];
  /** What is printed for each label. */
  classes: readonly (string | number)[];
  rows: Rows;
}
