/** Finds files by a pattern: `*` and `?` within one name, `**` for any number of folders. Hidden files are not found. */
import { lstat, readdir, stat } from 'node:fs/promises';
import { join, parse, sep } from 'node:path';

/** The folder that every match is in. @param pattern absolute and normal */
export function folderOf(pattern: string): string {
  const { root, names } = namesOf(pattern);
  const first = names.findIndex(isPattern);
  return join(root, ...names.slice(0, first === -1 ? names.length - 1 : first));
}

/**
 * The files that match, sorted; folders behind symbolic links are entered by their names only, not by `**`.
 * @param pattern absolute and normal
 * @param limit of files: one more than that, and no others, tells the caller that it was passed
 * @throws the system's own error when a folder cannot be read
 */
export async function glob(pattern: string, limit: number): Promise<string[]> {
  const { root, names } = namesOf(pattern);
  const found = new Set<string>();
  const last = names.at(-1) === '**' ? [...names, '*'] : names;
  for await (const path of walk(root, last)) {
    found.add(path);
    if (found.size > limit) break;
  }
  return [...found].sort();
}

async function* walk(folder: string, names: readonly string[]): AsyncGenerator<string> {
  const [name = '', ...rest] = names;
  if (name === '**') {
    yield* walk(folder, rest);
    for (const entry of await entriesOf(folder)) {
      if (entry.isDirectory() && !isHidden(entry.name)) yield* walk(join(folder, entry.name), names);
    }
  } else if (rest.length === 0) {
    for (const path of await pathsOf(folder, name)) {
      if (!isPattern(name) || (await isFile(path))) yield path;
    }
  } else {
    for (const path of await pathsOf(folder, name)) yield* walk(path, rest);
  }
}

async function pathsOf(folder: string, name: string): Promise<string[]> {
  if (!isPattern(name)) {
    const path = join(folder, name);
    return (await unlessMissing(lstat(path))) === undefined ? [] : [path];
  }
  const matches = nameMatcher(name);
  const entries = await entriesOf(folder);
  return entries.filter((entry) => matches.test(entry.name)).map((entry) => join(folder, entry.name));
}

async function entriesOf(folder: string) {
  return (await unlessMissing(readdir(folder, { withFileTypes: true }))) ?? [];
}

async function isFile(path: string): Promise<boolean> {
  return (await unlessMissing(stat(path)))?.isFile() ?? false;
}

/** Undefined for what is not there, or has gone meanwhile, or is no folder. */
async function unlessMissing<T>(asked: Promise<T>): Promise<T | undefined> {
  try {
    return await asked;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw error;
  }
}

function namesOf(pattern: string): { root: string; names: string[] } {
  const { root } = parse(pattern);
  return { root, names: pattern.slice(root.length).split(sep) };
}

function isPattern(name: string): boolean {
  return /[*?]/.test(name);
}

function isHidden(name: string): boolean {
  return name.startsWith('.');
}

function nameMatcher(pattern: string): RegExp {
  const escaped = pattern.replace(/[.+^${}()|[\]\\]/g, '\\$&');
  const text = escaped.replace(/\*+/g, '.*').replaceAll('?', '.');
  return new RegExp(`^${isHidden(pattern) ? '' : '(?!\\.)'}${text}$`, 'su');
}
