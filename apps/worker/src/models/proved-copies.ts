/**
 * Keeps copies of the files that are proved: a version is tried, loaded, and loaded again from its copy, whatever becomes
 * of the files that it was copied from. They are for this process only and go with it.
 */
import { constants } from 'node:fs';
import { copyFile, mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { digestFile } from './regular-file.js';
import type { VersionFiles } from './version-files.js';

const PREFIX = 'millrace-models-';

export class ProvedCopies {
  private constructor(private readonly folder: string) {}

  static async open(): Promise<ProvedCopies> {
    await removeLeftOver();
    return new ProvedCopies(await mkdtemp(join(tmpdir(), `${PREFIX}${process.pid}-`)));
  }

  /**
   * @returns the path of the copy of the ONNX file
   * @throws Error when a file has changed since it was read
   */
  async keep(path: string, { digest, external, fingerprint }: VersionFiles): Promise<string> {
    const files = [{ location: basename(path), digest }, ...external];
    for (const file of files) {
      const target = join(this.folder, fingerprint, file.location);
      // It may be in use already, as another version with the same files.
      if ((await digestFile(target).catch(() => '')) === file.digest) continue;
      await mkdir(dirname(target), { recursive: true });
      const partial = `${target}.partial`;
      // Where the file system can share the blocks of both, this costs nothing.
      await copyFile(join(dirname(path), file.location), partial, constants.COPYFILE_FICLONE);
      if ((await digestFile(partial)) !== file.digest) {
        throw new Error(`${file.location} changed while it was read`);
      }
      await rename(partial, target);
    }
    return join(this.folder, fingerprint, basename(path));
  }

  async drop(fingerprint: string): Promise<void> {
    await rm(join(this.folder, fingerprint), { recursive: true, force: true });
  }

  async close(): Promise<void> {
    await rm(this.folder, { recursive: true, force: true });
  }
}

/** The copies of processes that were killed. */
async function removeLeftOver(): Promise<void> {
  for (const name of await readdir(tmpdir())) {
    const pid = new RegExp(`^${PREFIX}(\\d+)-`).exec(name)?.[1];
    // In a container every start has the same pid; this one has made nothing yet.
    if (pid !== undefined && (Number(pid) === process.pid || !isAlive(Number(pid)))) {
      await rm(join(tmpdir(), name), { recursive: true, force: true });
    }
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    // Somebody else's process.
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
