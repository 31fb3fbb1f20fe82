/** Finds files by a pattern: `*` and `?` within one name, `**` for any number of folders. Hidden files are not found. */
import { lstat, readdir, stat } from 'node:fs/promises';
import { join, parse, sep } from 'node:path';
import { matchesWildcard } from './wildcard.js';

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
 * @throws the system's own error when a folder cannot be read, or the reason of the abort
 */
export async function glob(pattern: string, limit: number, signal: AbortSignal): Promise<string[]> {
  const { root, names } = namesOf(pattern);
  const found = new Set<string>();
  for await (const path of new Walk(withFiles(names), signal).from(root)) {
    found.add(path);
    if (found.size > limit) break;
  }
  return [...found].sort();
}

/** `**` twice in a row says no more than once, and at the end it is for the files there. */
function withFiles(names: readonly string[]): string[] {
  const once = names.filter((name, index) => name !== '**' || names[index - 1] !== '**');
  return once.at(-1) === '**' ? [...once, '*'] : once;
}

/** Walk is responsible for looking into each folder once for the same rest of a pattern, however often `**` comes to it. */
class Walk {
  private readonly seen = new Set<string>();

  constructor(
    private readonly names: readonly string[],
    private readonly signal: AbortSignal,
  ) {}

  /** @param index of the name that is looked for in the folder */
  async *from(folder: string, index = 0): AsyncGenerator<string> {
    this.signal.throwIfAborted();
    const visit = `${index}:${folder}`;
    if (this.seen.has(visit)) return;
    this.seen.add(visit);
    const name = this.names[index] ?? '';
    if (name === '**') {
      yield* this.from(folder, index + 1);
      for (const entry of await entriesOf(folder)) {
        if (entry.isDirectory() && !isHidden(entry.name)) yield* this.from(join(folder, entry.name), index);
      }
      return;
    }
    const isLast = index === this.names.length - 1;
    for (const path of await pathsOf(folder, name)) {
      if (!isLast) yield* this.from(path, index + 1);
      else if (!isPattern(name) || (await isFile(path))) yield path;
    }
  }
}

async function pathsOf(folder: string, name: string): Promise<string[]> {
  if (!isPattern(name)) {
    const path = join(folder, name);
    return (await unlessMissing(lstat(path))) === undefined ? [] : [path];
  }
  const entries = await entriesOf(folder);
  return entries.filter((entry) => matches(name, entry.name)).map((entry) => join(folder, entry.name));
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

function matches(pattern: string, name: string): boolean {
  return isHidden(name) === isHidden(pattern) && matchesWildcard(pattern, name);
}
