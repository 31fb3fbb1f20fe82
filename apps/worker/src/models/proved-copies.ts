/**
 * Keeps copies of the files that are proved: a version is tried, loaded, and loaded again from its copy, whatever becomes
 * of the files that it was copied from. They are for this process only and go with it.
 */
import { constants } from 'node:fs';
import { copyFile, mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
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
      await mkdir(dirname(target), { recursive: true });
      // Where the file system can share the blocks of both, this costs nothing.
      await copyFile(join(dirname(path), file.location), target, constants.COPYFILE_FICLONE);
      if ((await digestFile(target)) !== file.digest)
        throw new Error(`${file.location} changed while it was read`);
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
    if (pid !== undefined && !isAlive(Number(pid))) {
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
