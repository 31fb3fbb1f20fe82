/**
 * A file that appears under its name whole, on disk, or not at all, whenever the process is killed: it is written under a
 * hidden name in the same folder, which says whose attempt it was, and renamed.
 */
import { access, type FileHandle, open, readdir, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

/** AtomicFile is responsible for one attempt's file from its creation to its rename, or its removal. */
export class AtomicFile {
  private constructor(
    private readonly path: string,
    private readonly temporary: string,
    private readonly file: FileHandle,
  ) {}

  /**
   * Removes what earlier attempts at the same path have left: one that was thought dead has nothing to rename then.
   * @param path in a folder that exists
   */
  static async create(path: string, attempt: number): Promise<AtomicFile> {
    const [folder, name] = [dirname(path), basename(path)];
    for (const entry of await readdir(folder)) {
      if (attemptOf(entry, name) <= attempt) await rm(join(folder, entry), { force: true });
    }
    const temporary = join(folder, `.${name}.attempt-${attempt}.tmp`);
    return new AtomicFile(path, temporary, await open(temporary, 'wx'));
  }

  async write(bytes: Uint8Array): Promise<void> {
    await this.file.writeFile(bytes);
  }

  /** Brings the bytes to the disk. Nothing can be written any more. */
  async finish(): Promise<void> {
    await this.file.sync();
    await this.file.close();
  }

  /** @throws the system's ENOENT when a later attempt has removed what was written */
  async checkThere(): Promise<void> {
    await access(this.temporary);
  }

  /** Gives the finished file its name, in place of an older one. */
  async appear(): Promise<void> {
    await rename(this.temporary, this.path);
    await syncFolder(dirname(this.path));
  }

  /** Removes what was written. */
  async discard(): Promise<void> {
    await this.file.close();
    await rm(this.temporary, { force: true });
  }
}

/** Removes a file for good. */
export async function removeFile(path: string): Promise<void> {
  await rm(path, { force: true });
  await syncFolder(dirname(path));
}

/** Brings to the disk which names a folder has. */
async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

/** Which attempt at a file a temporary file is of; infinite for what is none of its. */
function attemptOf(entry: string, name: string): number {
  const [, attempt] = /\.attempt-(\d+)\.tmp$/.exec(entry) ?? [];
  return entry === `.${name}.attempt-${attempt}.tmp` ? Number(attempt) : Number.POSITIVE_INFINITY;
}
