/** How a model version is named, and what a worker publishes about one it has loaded and proved. */
import { z } from 'zod';
import { valuesPerRow } from './manifest/complete.js';
import { Manifest } from './manifest/manifest.js';

export const MODEL_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/;
export const MODEL_VERSION = /^[1-9][0-9]{0,8}$/;

/** A name for a version that can be moved to another one. */
export const MODEL_ALIAS = /^[A-Za-z][A-Za-z0-9_-]{0,62}$/;

export const ModelDescriptor = z.object({
  name: z.string().regex(MODEL_NAME),
  version: z.int().min(1),
  manifest: Manifest,
  /** SHA-256 of the ONNX file, in hex. */
  digest: z.string(),
  /** Of everything that predictions depend on. */
  fingerprint: z.string(),
  /** Seconds of one inference thread per row, measured at load at the manifest's micro-batch. */
  seconds_per_row: z.number().positive(),
  /** A row that is known to work. */
  example: z.unknown(),
  /** What is doubtful about a version that is served all the same. */
  doubt: z.string().optional(),
});
export type ModelDescriptor = z.infer<typeof ModelDescriptor>;

/** A version that is not served, and why. `version` is empty when the files are of none. */
export const Refusal = z.object({ name: z.string(), version: z.string(), reason: z.string() });
export type Refusal = z.infer<typeof Refusal>;

export const ModelAliases = z.object({
  /** When the file they come from was written, in milliseconds since the epoch. */
  written_at: z.number(),
  /** The version that each alias stands for. */
  targets: z.record(z.string(), z.int().min(1)),
  /** Why an alias does not stand for what the file says. */
  problems: z.array(z.string()),
});
export type ModelAliases = z.infer<typeof ModelAliases>;

/** `iris@1`, the name of a version. */
export function modelKey(model: { name: string; version: number }): string {
  return `${model.name}@${model.version}`;
}

/** `iris@1 5f3a…`, what is pinned to a task: the version with the very files that it had then. */
export function modelPin(model: { name: string; version: number; fingerprint: string }): string {
  return `${modelKey(model)} ${model.fingerprint}`;
}

export interface ModelRef {
  name: string;
  version?: number;
  alias?: string;
}

/** Reads `iris`, `iris@2` or `iris@champion`; undefined when it is none of them. */
export function parseModelRef(ref: string): ModelRef | undefined {
  const at = ref.indexOf('@');
  const name = at === -1 ? ref : ref.slice(0, at);
  if (!MODEL_NAME.test(name)) return undefined;
  if (at === -1) return { name };
  const rest = ref.slice(at + 1);
  if (MODEL_VERSION.test(rest)) return { name, version: Number(rest) };
  return MODEL_ALIAS.test(rest) ? { name, alias: rest } : undefined;
}

/** A chunk is to keep one inference thread busy for about this long: the queue's cost vanishes, a kill repeats little. */
const CHUNK_SECONDS = 0.25;
const CHUNK_ROWS_MAX = 65_536;
/** Numbers that go into and come out of the model for one chunk; bounds memory, and the length of its result's text. */
const CHUNK_VALUES_MAX = 4_000_000;

/** Rows per chunk for a model of this speed and width. */
export function rowsPerChunk({ seconds_per_row: secondsPerRow, manifest }: ModelDescriptor): number {
  const byWidth = Math.floor(CHUNK_VALUES_MAX / valuesPerRow(manifest));
  return Math.max(1, Math.min(CHUNK_ROWS_MAX, byWidth, Math.round(CHUNK_SECONDS / secondsPerRow)));
}
