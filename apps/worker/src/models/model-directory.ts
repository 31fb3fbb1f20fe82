/**
 * Finds the versions in a model directory: `<name>/<version>/` with an ONNX file, its model.json and samples.json where
 * there are, and a bare `<name>.onnx`, which is version 1. Only looks; `version-files.ts` reads.
 */
import type { Stats } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { MODEL_NAME, MODEL_VERSION, type Refusal } from '@millrace/batch/model';

export interface FoundVersion {
  name: string;
  version: number;
  /** The ONNX file. */
  path: string;
  /** The folder of the version; absent for a bare file. */
  folder?: string;
  /** Changes with every change of its files. */
  signature: string;
}

export interface FoundAliases {
  name: string;
  path: string;
  /** When the file was last written, in milliseconds since the epoch. */
  writtenAt: number;
}

export interface ModelDirectory {
  versions: FoundVersion[];
  aliases: FoundAliases[];
  refused: Refusal[];
}

/** @throws Error when the directory cannot be read */
export async function scanModelDirectory(directory: string): Promise<ModelDirectory> {
  const found: ModelDirectory = { versions: [], aliases: [], refused: [] };
  const entries = await entriesOf(directory).catch((cause) => {
    throw new Error(`the model directory ${directory} cannot be read (${cause.code})`, { cause });
  });
  for (const entry of entries) {
    if (entry.stats.isDirectory()) await scanModel(entry, found).catch(unreadable(entry.name, '', found));
    else if (isOnnx(entry)) addBareFile(entry, found);
  }
  return found;
}

/** One folder that cannot be read must not hide the others. */
function unreadable(name: string, version: string, found: ModelDirectory) {
  return ({ code }: NodeJS.ErrnoException): void => {
    // Gone since it was seen; and what a file system keeps for itself is no model.
    if (code === 'ENOENT' || name === 'lost+found') return;
    found.refused.push({ name, version, reason: `the folder cannot be read (${code})` });
  };
}

function isOnnx({ name }: Entry): boolean {
  return /\.onnx$/i.test(name);
}

interface Entry {
  name: string;
  path: string;
  stats: Stats;
}

/** What a folder holds, links followed. Hidden entries and Python's caches are none of ours. */
async function entriesOf(folder: string): Promise<Entry[]> {
  const names = (await readdir(folder)).filter((name) => !/^[._]/.test(name)).sort();
  const entries = names.map(async (name): Promise<Entry | undefined> => {
    const path = join(folder, name);
    // Gone since, or a link to nothing.
    const stats = await stat(path).catch(() => undefined);
    return stats && { name, path, stats };
  });
  return (await Promise.all(entries)).filter((entry) => entry !== undefined);
}

async function scanModel({ name, path }: Entry, found: ModelDirectory): Promise<void> {
  const entries = await entriesOf(path);
  const folders = entries.filter(({ stats }) => stats.isDirectory());
  for (const folder of folders) {
    await scanVersion(name, folder, found).catch(unreadable(name, folder.name, found));
  }
  const aliases = entries.find((entry) => entry.name === 'aliases.json');
  if (aliases !== undefined)
    found.aliases.push({ name, path: aliases.path, writtenAt: aliases.stats.mtimeMs });
  const stray = entries.find((entry) => entry.stats.isFile() && isOnnx(entry));
  if (stray !== undefined) {
    const reason = `${stray.name} lies beside the versions; put it into a folder named by its version, as ${name}/1/`;
    found.refused.push({ name, version: '', reason });
  }
}

async function scanVersion(name: string, folder: Entry, found: ModelDirectory): Promise<void> {
  const version = folder.name;
  const files = await entriesOf(folder.path);
  const models = files.filter(isOnnx);
  const refuse = (reason: string): void => {
    found.refused.push({ name, version, reason });
  };
  // Notebooks and data may lie beside the versions.
  const isMeant = models.length > 0 || files.some((file) => file.name === 'model.json');
  if (!MODEL_VERSION.test(version)) {
    if (isMeant) refuse('a version folder is named by a whole number from 1');
    return;
  }
  if (!MODEL_NAME.test(name)) return refuse(BAD_NAME);
  const model = models.find((file) => file.name === 'model.onnx') ?? models[0];
  if (model === undefined) return refuse('there is no model.onnx');
  if (model.name !== 'model.onnx' && models.length > 1) {
    return refuse(`there are ${models.length} ONNX files and none is named model.onnx`);
  }
  const signature = files.map(signatureOf).join(' ');
  found.versions.push({ name, version: Number(version), path: model.path, folder: folder.path, signature });
}

function addBareFile(file: Entry, found: ModelDirectory): void {
  const name = modelNameOf(file.name);
  const reason = bareFileProblem(name, file.name, found);
  if (reason !== undefined) found.refused.push({ name, version: '1', reason });
  else found.versions.push({ name, version: 1, path: file.path, signature: signatureOf(file) });
}

function bareFileProblem(name: string, file: string, { versions }: ModelDirectory): string | undefined {
  if (!MODEL_NAME.test(name)) return BAD_NAME;
  if (!versions.some((each) => each.name === name && each.version === 1)) return undefined;
  return `both ${name}/1/ and ${file} are version 1; give the file a folder of its own, as ${name}/2/`;
}

/** The name of the model of a bare file. */
export function modelNameOf(file: string): string {
  return file.replace(/\.onnx$/i, '');
}

export const BAD_NAME =
  "a model's name is letters, digits, dots, dashes and underscores, begins with a letter or a digit, and has at most 100 of them";

function signatureOf({ name, stats }: Entry): string {
  return `${name}:${stats.ino}:${stats.size}:${stats.mtimeMs}`;
}
