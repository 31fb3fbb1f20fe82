/** Reads files that somebody else has put there: only regular ones, only up to a limit, and never waiting for a writer. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { basename } from 'node:path';

/** A protocol buffer can be no larger, nor a file that Node reads whole. */
export const ONNX_BYTES_MAX = 2 ** 31 - 1;
export const JSON_BYTES_MAX = 64 * 1024 * 1024;

/** @throws Error that names the file, with the code of the system's own error where there was one */
export async function readRegularFile(path: string, maxBytes: number): Promise<Buffer> {
  await checkRegularFile(path, maxBytes);
  return readFile(path);
}

/** SHA-256 in hex, of a file of any size. @throws as `readRegularFile` */
export async function digestFile(path: string): Promise<string> {
  await checkRegularFile(path, Number.POSITIVE_INFINITY);
  const hash = createHash('sha256');
  for await (const piece of createReadStream(path)) hash.update(piece);
  return hash.digest('hex');
}

/** Size and times of a file, which change with its content; empty when it is not there. */
export async function stampOf(path: string): Promise<string> {
  const stats = await stat(path).catch(() => undefined);
  return stats === undefined ? '' : `${path}:${stats.ino}:${stats.size}:${stats.mtimeMs}`;
}

async function checkRegularFile(path: string, maxBytes: number): Promise<void> {
  const name = basename(path);
  const stats = await stat(path).catch((cause: NodeJS.ErrnoException) => {
    throw Object.assign(new Error(`${name} cannot be read (${cause.code})`, { cause }), { code: cause.code });
  });
  // To open a pipe would wait for whoever writes into it.
  if (!stats.isFile()) throw new Error(`${name} is not a regular file`);
  if (stats.size > maxBytes) throw new Error(`${name} has ${stats.size} bytes, more than ${maxBytes}`);
}
