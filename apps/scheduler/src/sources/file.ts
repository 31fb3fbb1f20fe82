/** Reads files within the folders that the operator allows, one by its path or many by a pattern. */
import { resolve } from 'node:path';
import { realPathWithin } from '../files/allowed-folders.js';
import { folderOf, glob } from '../files/glob.js';
import { openRegularFile, rangesOf } from '../files/regular-file.js';
import { RunError } from '../run-error.js';
import { formatOf, rowsOf } from './formats.js';
import type { OpenSource } from './source.js';
import type { SourceFile, SourceFormat } from './source-file.js';

export interface FileSource {
  kind: 'file';
  /** From the process's own folder on, when it does not begin with `/`; see `glob.ts` for its wildcards. */
  path: string;
  format?: SourceFormat | undefined;
}

export interface FileSourceDeps {
  /** Paths; those that do not exist allow nothing. */
  folders: readonly string[];
}

const FILES_MAX = 10_000;
const PIECE_BYTES = 256 * 1024;

/** @throws RunError `source_not_found`, `source_not_allowed`, `source_unreadable`, `source_malformed` */
export const openFileSource: OpenSource<FileSource, FileSourceDeps> = async (
  source,
  { folders },
  { signal },
) => {
  const paths = await findFiles(source.path, folders, signal);
  const files = await Promise.all(paths.map((path) => allowedFile(path, folders, signal)));
  const [first = source.path, ...others] = paths;
  const format = formatOf(first, source.format);
  const odd = others.find((path) => formatOf(path, source.format) !== format);
  if (odd !== undefined) {
    throw new RunError(
      'source_malformed',
      `${source.path} matches files of several formats: ${first}, ${odd}`,
      false,
    );
  }
  return rowsOf(format, files);
};

/** @throws RunError as `openFileSource` */
async function findFiles(path: string, folders: readonly string[], signal: AbortSignal): Promise<string[]> {
  const pattern = resolve(path);
  const folder = folderOf(pattern);
  const paths = await readable(path, async () => {
    if ((await realPathWithin(folders, folder)) === undefined) throw notAllowed(path, folders);
    return glob(pattern, FILES_MAX, signal);
  }).catch((error: unknown) => {
    signal.throwIfAborted();
    throw error;
  });
  if (paths.length === 0) {
    throw new RunError('source_not_found', `there is no file ${path}`, false);
  }
  if (paths.length > FILES_MAX) {
    throw new RunError('source_unreadable', `${path} matches more than ${FILES_MAX} files`, false);
  }
  return paths;
}

async function allowedFile(
  path: string,
  folders: readonly string[],
  signal: AbortSignal,
): Promise<SourceFile> {
  const real = await readable(path, () => realPathWithin(folders, path));
  if (real === undefined) throw notAllowed(path, folders);
  return {
    name: path,
    async *stream() {
      const file = await readable(path, () => openRegularFile(real));
      try {
        for (;;) {
          signal.throwIfAborted();
          const { bytesRead, buffer } = await readable(path, () =>
            file.read(Buffer.allocUnsafeSlow(PIECE_BYTES), 0, PIECE_BYTES),
          );
          if (bytesRead === 0) return;
          yield buffer.subarray(0, bytesRead);
        }
      } finally {
        await file.close();
      }
    },
    async ranges() {
      const file = await readable(path, () => openRegularFile(real));
      const { byteLength, slice } = await rangesOf(file);
      return {
        byteLength,
        slice(start, end) {
          signal.throwIfAborted();
          return readable(path, () => slice(start, end));
        },
        close: () => file.close(),
      };
    },
  };
}

/** Says what cannot be read, where the system's own errors do not. */
async function readable<T>(path: string, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    if (error instanceof RunError) throw error;
    const { code, message } = error as NodeJS.ErrnoException;
    throw new RunError('source_unreadable', `${path} cannot be read: ${code ?? message}`, true, {
      cause: error,
    });
  }
}

function notAllowed(path: string, folders: readonly string[]): RunError {
  const message = `${path} is not within the folders that schedules may reach: ${folders.join(', ')}`;
  return new RunError('source_not_allowed', message, false);
}
