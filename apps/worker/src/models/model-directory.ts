/** Reads `models/<name>/<version>/`: the files of every version, before any of them is opened by ONNX Runtime. */
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Manifest, Samples } from '@millrace/batch/manifest';
import { MODEL_NAME, MODEL_VERSION } from '@millrace/batch/model';
import { z } from 'zod';

/** A version whose files hold together. */
export interface ModelFiles {
  name: string;
  version: number;
  manifest: Manifest;
  samples?: Samples;
  /** SHA-256 of model.onnx, in hex. */
  digest: string;
  /** The path of model.onnx. */
  path: string;
}

export interface ModelDirectory {
  versions: ModelFiles[];
  /** Versions that are not served, by `name/version`, each with the reason. */
  refused: { version: string; reason: string }[];
}

export async function readModelDirectory(directory: string): Promise<ModelDirectory> {
  const found: ModelDirectory = { versions: [], refused: [] };
  for (const name of await foldersIn(directory)) {
    for (const version of await foldersIn(join(directory, name))) {
      try {
        found.versions.push(await readVersion(join(directory, name, version), name, version));
      } catch (error) {
        found.refused.push({ version: `${name}/${version}`, reason: (error as Error).message });
      }
    }
  }
  return found;
}

async function readVersion(folder: string, name: string, version: string): Promise<ModelFiles> {
  if (!MODEL_NAME.test(name)) throw new Error(`a model's name must match ${MODEL_NAME.source}`);
  if (!MODEL_VERSION.test(version)) throw new Error('a version folder is named by a whole number from 1');
  const path = join(folder, 'model.onnx');
  const model = await readFile(path).catch(() => {
    throw new Error('there is no model.onnx');
  });
  const manifest = await readJson(join(folder, 'model.json'), Manifest);
  if (manifest === undefined) throw new Error('there is no model.json');
  const samples = await readJson(join(folder, 'samples.json'), Samples);
  const digest = createHash('sha256').update(model).digest('hex');
  const files = { name, version: Number(version), manifest, digest, path };
  return samples === undefined ? files : { ...files, samples };
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
  const file = path.slice(path.lastIndexOf('/') + 1);
  try {
    return schema.parse(JSON.parse(text));
  } catch (error) {
    const reason = error instanceof z.ZodError ? z.prettifyError(error) : (error as Error).message;
    throw new Error(`${file} does not hold: ${reason}`);
  }
}

/** Folders only: scripts and notes may lie beside them. Hidden ones and Python's caches are none of ours. */
async function foldersIn(directory: string): Promise<string[]> {
  const entries = await readdir(directory, { withFileTypes: true }).catch((cause) => {
    throw new Error(`the model directory ${directory} cannot be read (${cause.code})`, { cause });
  });
  return entries
    .filter((entry) => entry.isDirectory() && !/^[._]/.test(entry.name))
    .map((entry) => entry.name)
    .sort();
}
