/** How a model version is named, and what a worker publishes about one it has loaded and proved. */
import { z } from 'zod';
import { Manifest } from './manifest.js';

export const MODEL_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/;
export const MODEL_VERSION = /^[1-9][0-9]{0,8}$/;

export const ModelDescriptor = z.object({
  name: z.string().regex(MODEL_NAME),
  version: z.int().min(1),
  manifest: Manifest,
  /** SHA-256 of model.onnx, in hex. */
  digest: z.string(),
  /** Seconds of one inference thread per row, measured at load at the manifest's micro-batch. */
  seconds_per_row: z.number().positive(),
  /** A row that is known to work. */
  example: z.unknown(),
});
export type ModelDescriptor = z.infer<typeof ModelDescriptor>;

/** `iris@1`, the name under which a version is pinned to a task. */
export function modelKey(model: { name: string; version: number }): string {
  return `${model.name}@${model.version}`;
}

/** Reads `iris` or `iris@2`; undefined when it is neither. */
export function parseModelRef(ref: string): { name: string; version?: number } | undefined {
  const at = ref.indexOf('@');
  const name = at === -1 ? ref : ref.slice(0, at);
  if (!MODEL_NAME.test(name)) return undefined;
  if (at === -1) return { name };
  const version = ref.slice(at + 1);
  return MODEL_VERSION.test(version) ? { name, version: Number(version) } : undefined;
}

/** A chunk is to keep one inference thread busy for about this long: the queue's cost vanishes, a kill repeats little. */
const CHUNK_SECONDS = 0.25;
const CHUNK_ROWS_MAX = 16_384;
/** Numbers that go into and come out of the model for one chunk; bounds memory, and the length of its result's text. */
const CHUNK_VALUES_MAX = 4_000_000;

/** Rows per chunk for a model of this speed and width. */
export function rowsPerChunk({ seconds_per_row: secondsPerRow, manifest }: ModelDescriptor): number {
  const outputWidth = manifest.outputs.reduce((sum, { width = 1 }) => sum + width, 0);
  const byWidth = Math.floor(CHUNK_VALUES_MAX / (manifest.features.length + outputWidth));
  return Math.max(1, Math.min(CHUNK_ROWS_MAX, byWidth, Math.round(CHUNK_SECONDS / secondsPerRow)));
}
