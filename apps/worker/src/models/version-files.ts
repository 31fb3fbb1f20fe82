/** Reads the files of a version and checks all that can be checked without running it. */
import { createHash } from 'node:crypto';
import { readFile, realpath } from 'node:fs/promises';
import { basename, dirname, isAbsolute, join, sep } from 'node:path';
import { ManifestFile } from '@millrace/batch/manifest/manifest';
import { Samples } from '@millrace/batch/manifest/samples';
import { problemsOf } from '@millrace/batch/manifest/strict';
import type { z } from 'zod';
import type { FoundVersion } from './model-directory.js';
import { inspectOnnx } from './onnx-file.js';

/** The files of a version, as read. */
export interface VersionFiles {
  /** model.json; empty where there is none. */
  file: ManifestFile;
  samples?: Samples;
  /** SHA-256 of the ONNX file, in hex. */
  digest: string;
  /** Of everything that predictions depend on: the ONNX file, the data beside it, and model.json. */
  fingerprint: string;
}

/** @throws Error that names the file and says what is wrong with it */
export async function readVersionFiles({ path, folder }: FoundVersion): Promise<VersionFiles> {
  const model = await readFile(path);
  const { externalData } = named(basename(path), () => inspectOnnx(model));
  const digest = sha256(model);
  const fingerprint = createHash('sha256').update(digest);
  for (const location of new Set(externalData)) {
    fingerprint.update(location).update(sha256(await readExternal(path, location)));
  }
  if (folder === undefined) return { file: {}, digest, fingerprint: shortHex(fingerprint) };
  const file = await readJson(join(folder, 'model.json'), ManifestFile);
  const samples = await readJson(join(folder, 'samples.json'), Samples);
  fingerprint.update(JSON.stringify(file ?? {}));
  const files = { file: file ?? {}, digest, fingerprint: shortHex(fingerprint) };
  return samples === undefined ? files : { ...files, samples };
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

function shortHex(hash: ReturnType<typeof createHash>): string {
  return hash.digest('hex').slice(0, 16);
}

function named<T>(file: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw new Error(`${file} ${(error as Error).message}`);
  }
}

/** Tensor data that the ONNX file keeps beside itself. */
async function readExternal(path: string, location: string): Promise<Buffer> {
  const name = basename(path);
  const folder = await realpath(dirname(path));
  const outside = new Error(`${name} keeps data in "${location}", outside of its folder`);
  if (isAbsolute(location)) throw outside;
  const target = await realpath(join(folder, location)).catch(() => {
    if (location.split(/[/\\]/).includes('..')) throw outside;
    throw new Error(`${name} keeps data in "${location}", which is not there`);
  });
  if (!target.startsWith(folder + sep)) throw outside;
  return readFile(target);
}

/** Undefined when there is no such file. */
async function readJson<Schema extends z.ZodType>(
  path: string,
  schema: Schema,
): Promise<z.infer<Schema> | undefined> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  return parseJson(basename(path), text, schema);
}

/** @throws Error with the file's name and every problem, each with its place */
export function parseJson<Schema extends z.ZodType>(
  file: string,
  text: string,
  schema: Schema,
): z.infer<Schema> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new Error(`${file} is not JSON: ${(error as Error).message}`);
  }
  const { data, error } = schema.safeParse(value);
  if (error !== undefined) throw new Error(`${file} does not hold: ${problemsOf(error)}`);
  return data;
}
