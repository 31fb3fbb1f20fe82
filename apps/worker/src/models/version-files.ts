/** Reads the files of a version and checks all that can be checked without running it. */
import { createHash } from 'node:crypto';
import { realpath } from 'node:fs/promises';
import { basename, dirname, isAbsolute, join, sep } from 'node:path';
import { ManifestFile } from '@millrace/batch/manifest/manifest';
import { Samples } from '@millrace/batch/manifest/samples';
import { problemsOf } from '@millrace/batch/manifest/strict';
import type { z } from 'zod';
import type { FoundVersion } from './model-directory.js';
import { inspectOnnx } from './onnx-file.js';
import { digestFile, JSON_BYTES_MAX, ONNX_BYTES_MAX, readRegularFile } from './regular-file.js';

/** The files of a version, as read. */
export interface VersionFiles {
  /** model.json; empty where there is none. */
  file: ManifestFile;
  samples?: Samples;
  /** SHA-256 of the ONNX file, in hex. */
  digest: string;
  /** Tensor data that the ONNX file keeps beside itself: where it says so, and its SHA-256. */
  external: { location: string; digest: string }[];
  /** Of everything that predictions depend on: the ONNX file, the data beside it, and model.json. */
  fingerprint: string;
}

/**
 * @param watch is told the path of every file beside the ONNX file that it reads, before it is read
 * @throws Error that names the file and says what is wrong with it
 */
export async function readVersionFiles(
  { path, folder }: Pick<FoundVersion, 'path' | 'folder'>,
  watch: (path: string) => Promise<void> = async () => {},
): Promise<VersionFiles> {
  const name = basename(path);
  const model = await readRegularFile(path, ONNX_BYTES_MAX);
  const externalData = named(name, () => inspectOnnx(model));
  const digest = await digestFile(path);
  const fingerprint = createHash('sha256').update(digest);
  const external: VersionFiles['external'] = [];
  for (const location of new Set(externalData)) {
    await watch(join(dirname(path), location));
    const found = { location, digest: await digestFile(await externalPath(path, location)) };
    fingerprint.update(found.location).update(found.digest);
    external.push(found);
  }
  const file = folder === undefined ? undefined : await readJson(join(folder, 'model.json'), ManifestFile);
  const samples = folder === undefined ? undefined : await readJson(join(folder, 'samples.json'), Samples);
  if (file !== undefined) fingerprint.update(JSON.stringify(file));
  const files = { file: file ?? {}, digest, external, fingerprint: fingerprint.digest('hex').slice(0, 16) };
  return samples === undefined ? files : { ...files, samples };
}

function named<T>(file: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw new Error(`${file} ${(error as Error).message}`);
  }
}

/** @throws Error when it is not in the folder of the ONNX file, whatever links say */
async function externalPath(path: string, location: string): Promise<string> {
  const name = basename(path);
  const folder = await realpath(dirname(path));
  const outside = new Error(`${name} keeps data in "${location}", outside of its folder`);
  if (isAbsolute(location)) throw outside;
  const target = await realpath(join(folder, location)).catch(() => {
    if (location.split(/[/\\]/).includes('..')) throw outside;
    throw new Error(`${name} keeps data in "${location}", which is not there`);
  });
  if (!target.startsWith(folder + sep)) throw outside;
  return target;
}

/** Undefined when there is no such file. */
async function readJson<Schema extends z.ZodType>(
  path: string,
  schema: Schema,
): Promise<z.infer<Schema> | undefined> {
  try {
    const bytes = await readRegularFile(path, JSON_BYTES_MAX);
    return parseJson(basename(path), bytes.toString(), schema);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** @throws Error with the file's name and every problem, each with its place */
export function parseJson<Schema extends z.ZodType>(
  file: string,
  text: string,
  schema: Schema,
): z.infer<Schema> {
  let value: unknown;
  try {
    // Some editors begin a file with a byte order mark.
    value = JSON.parse(text.replace(/^\uFEFF/, ''));
  } catch (error) {
    throw new Error(`${file} is not JSON: ${(error as Error).message}`);
  }
  const { data, error } = named(file, () => schema.safeParse(value));
  if (error !== undefined) throw new Error(`${file} does not hold: ${problemsOf(error)}`);
  return data;
}
