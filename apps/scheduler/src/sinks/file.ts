/** Writes a result to a file within the folders that the operator allows, and its manifest beside it. */
import { createHash } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import type { Outputs } from '@millrace/batch/results/read-chunk';
import type { SinkFormat } from '@millrace/schedule/format-of-path';
import { realPathWithin } from '../files/allowed-folders.js';
import { AtomicFile, removeLeft, type Writer, withoutFile } from '../files/atomic-file.js';
import { RunError } from '../run-error.js';
import { inBlocks } from './blocks.js';
import { manifestPath, manifestText } from './manifest.js';
import { resultFormat } from './result-format.js';
import type { SinkContext, WriteSink } from './sink.js';

export interface FileSink {
  kind: 'file';
  /** From the process's own folder on, when it does not begin with `/`. Its folder is made when it is missing. */
  path: string;
  format?: SinkFormat | undefined;
  outputs?: Outputs | undefined;
}

export interface FileSinkDeps {
  /** Paths; those that do not exist are made when they are written to. */
  folders: readonly string[];
  /** Of the run, counted from 1: temporary files of earlier ones are removed. */
  attempt: number;
}

/**
 * Killed at any moment, it leaves the file as it was before or as it is to be. A manifest that was there before goes
 * first, so that one that is there always belongs to the file beside it, and comes back when the file does not appear.
 * @throws RunError `sink_not_allowed`, `sink_refused`, `sink_unavailable`, or what `fence()` rejects with
 */
export const writeFileSink: WriteSink<FileSink, FileSinkDeps> = async (sink, deps, output, context) => {
  const format = resultFormat(sink.path, sink.format);
  const path = await writable(sink.path, () => makeFolder(sink.path, deps.folders));
  const { schedule, logicalDate } = output;
  const writer = { schedule, logicalDate, attempt: deps.attempt };
  const place = { writer, context };
  // One that was thought dead, and wakes up later, has no manifest to put beside another's file.
  await writable(path, () => removeLeft(manifestPath(path), writer));
  const text = output.text(format, sink.outputs ?? 'default');
  const { bytes, sha256 } = await replace(path, text, {
    ...place,
    around: (appear) => withoutFile(manifestPath(path), writer, appear),
  });
  const manifest = manifestText(output, format, { bytes, sha256 }, new Date());
  await replace(manifestPath(path), [manifest], place);
  return { location: path, rows: output.rows.total, bytes, sha256 };
};

interface Replacement {
  writer: Writer;
  context: SinkContext;
  /** What is to be otherwise while the new file appears, which is whole, and nobody else has taken the run over. Either it appears, or that fails. */
  around?(appear: () => Promise<void>): Promise<void>;
}

/** Puts a new file in the place of the one at `path`, if there is one. */
async function replace(
  path: string,
  text: AsyncIterable<Uint8Array | string> | Iterable<string>,
  { writer, context, around = (appear) => appear() }: Replacement,
): Promise<{ bytes: number; sha256: string }> {
  const hash = createHash('sha256');
  let bytes = 0;
  const file = await writable(path, () => AtomicFile.create(path, writer));
  try {
    for await (const block of inBlocks(text)) {
      context.signal.throwIfAborted();
      hash.update(block);
      bytes += block.length;
      await writable(path, () => file.write(block));
    }
    await writable(path, () => file.finish());
    await context.fence();
    await writable(path, async () => {
      await file.checkThere();
      await around(() => file.appear());
      await file.settle();
    });
  } catch (error) {
    await file.discard();
    throw error;
  }
  return { bytes, sha256: hash.digest('hex') };
}

/** @returns the path with its folder's symbolic links resolved; the folder exists */
async function makeFolder(path: string, folders: readonly string[]): Promise<string> {
  const target = resolve(path);
  const folder = await realPathWithin(folders, dirname(target));
  if (folder === undefined) {
    const message = `${path} is not within the folders that schedules may reach: ${folders.join(', ')}`;
    throw new RunError('sink_not_allowed', message, false);
  }
  await mkdir(folder, { recursive: true });
  return join(folder, basename(target));
}

/** Those of the system's errors that stay until the schedule is changed. */
const LASTING: ReadonlySet<string> = new Set(['EISDIR', 'ENOTDIR', 'EEXIST', 'ENAMETOOLONG', 'ELOOP']);

async function writable<T>(path: string, write: () => Promise<T>): Promise<T> {
  try {
    return await write();
  } catch (error) {
    if (error instanceof RunError) throw error;
    const { code, message } = error as NodeJS.ErrnoException;
    const isLasting = LASTING.has(code ?? '');
    throw new RunError(
      isLasting ? 'sink_refused' : 'sink_unavailable',
      `${path} cannot be written: ${code ?? message}`,
      !isLasting,
      { cause: error },
    );
  }
}
