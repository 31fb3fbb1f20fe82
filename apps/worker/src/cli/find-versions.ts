/** Finds what a path given by hand means: all models, one model, one version, or an ONNX file anywhere. */
import { readdir, stat } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { MODEL_NAME, MODEL_VERSION, type Refusal } from '@millrace/batch/model';
import {
  BAD_NAME,
  type FoundVersion,
  type ModelDirectory,
  modelNameOf,
  scanModelDirectory,
} from '../models/model-directory.js';

export interface FoundVersions {
  versions: FoundVersion[];
  refused: Refusal[];
}

/** @throws Error when there is nothing at the path */
export async function findVersions(path: string): Promise<FoundVersions> {
  const stats = await stat(path).catch(() => {
    throw new Error(`there is nothing at ${path}`);
  });
  const name = basename(path);
  if (stats.isFile()) {
    const isInVersion = MODEL_VERSION.test(basename(dirname(path)));
    return isInVersion ? findVersions(dirname(path)) : checked(loose(path));
  }
  if (MODEL_VERSION.test(name)) {
    const model = dirname(path);
    return only(
      await scanModelDirectory(dirname(model)),
      (each) => each.name === basename(model) && String(each.version) === name,
    );
  }
  const entries = await readdir(path);
  // A folder with folders that are named by versions is a model.
  if (entries.some((entry) => MODEL_VERSION.test(entry))) {
    return only(await scanModelDirectory(dirname(path)), (each) => each.name === name);
  }
  const inside = await scanModelDirectory(path);
  // A folder that an export has left somewhere: one ONNX file, with a model.json or without.
  const [bare, ...others] = inside.versions.filter(({ folder }) => folder === undefined);
  const isExport = bare !== undefined && others.length === 0 && inside.versions.length === 1;
  return isExport ? checked({ ...loose(bare.path), folder: path }) : inside;
}

function checked(version: FoundVersion): FoundVersions {
  if (MODEL_NAME.test(version.name)) return { versions: [version], refused: [] };
  return { versions: [], refused: [{ name: version.name, version: '1', reason: BAD_NAME }] };
}

function loose(path: string): FoundVersion {
  const stem = modelNameOf(basename(path));
  const name = stem === 'model' ? basename(dirname(path)) : stem;
  return { name, version: 1, path, signature: '' };
}

function only(
  { versions, refused }: ModelDirectory,
  isMeant: (each: { name: string; version: number | string }) => boolean,
): FoundVersions {
  return { versions: versions.filter(isMeant), refused: refused.filter(isMeant) };
}
