/** Opens files that somebody else has put there: only regular ones, and never waiting for a writer. */
import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import type { RandomAccess } from '@millrace/parquet/random-access';

/**
 * @param path with every symbolic link resolved: what has become one since is not followed
 * @throws the system's own error, or one that says what the path is instead
 */
export async function openRegularFile(path: string): Promise<FileHandle> {
  // Without O_NONBLOCK, opening a pipe waits for whoever writes into it.
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  const stats = await file.stat();
  if (stats.isFile()) return file;
  await file.close();
  throw new Error('it is not a regular file');
}

/** @returns ranges of an open file, which stays the caller's */
export async function rangesOf(file: FileHandle): Promise<RandomAccess> {
  const { size } = await file.stat();
  return {
    byteLength: size,
    async slice(start, end = size) {
      const bytes = new Uint8Array(end - start);
      for (let at = 0; at < bytes.length; ) {
        const { bytesRead } = await file.read(bytes, at, bytes.length - at, start + at);
        if (bytesRead === 0) throw new Error(`the file ended at ${start + at} of ${size} bytes`);
        at += bytesRead;
      }
      return bytes.buffer;
    },
  };
}
