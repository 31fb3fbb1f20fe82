/**
 * A file that appears under its name whole, on disk, or not at all, whenever the process is killed: it is written under a
 * hidden name in the same folder, which says whose attempt it was, and renamed.
 */
import { createHash } from 'node:crypto';
import { type FileHandle, link, lstat, open, readdir, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

/** Who writes a file. Two runs never have one hidden name, and never remove each other's. */
export interface Writer {
  schedule: string;
  logicalDate: string;
  /** Of the run, counted from 1. */
  attempt: number;
}

/** AtomicFile is responsible for one attempt's file from its creation to its rename, or its removal. */
export class AtomicFile {
  private constructor(
    private readonly path: string,
    private readonly temporary: string,
    private readonly file: FileHandle,
  ) {}

  /** @param path in a folder that exists; what is left of earlier attempts at it is removed */
  static async create(path: string, writer: Writer): Promise<AtomicFile> {
    await removeLeft(path, writer);
    const temporary = temporaryPath(path, writer);
    return new AtomicFile(path, temporary, await open(temporary, 'wx'));
  }

  async write(bytes: Uint8Array): Promise<void> {
    await this.file.writeFile(bytes);
  }

  /** Brings the bytes to the disk. */
  async finish(): Promise<void> {
    await this.file.sync();
  }

  /** @throws an error when a later attempt has removed what was written, or put its own in place of it */
  async checkThere(): Promise<void> {
    const [own, found] = await Promise.all([
      this.file.stat({ bigint: true }),
      lstat(this.temporary, { bigint: true }),
    ]);
    if (own.ino !== found.ino || own.dev !== found.dev) throw new Error('somebody else writes it');
  }

  /** Gives the finished file its name, in place of an older one. */
  async appear(): Promise<void> {
    await rename(this.temporary, this.path);
  }

  /** Brings its name to the disk, once it has it. */
  async settle(): Promise<void> {
    await syncFolder(dirname(this.path));
    await this.file.close();
  }

  /** Removes what was written, unless it is somebody else's by now. */
  async discard(): Promise<void> {
    const isOwn = await this.checkThere().then(
      () => true,
      () => false,
    );
    await this.file.close();
    if (isOwn) await rm(this.temporary, { force: true });
  }
}

/** Removes what earlier attempts of a run have left at a path: one that was thought dead has nothing to rename then. */
export async function removeLeft(path: string, writer: Writer): Promise<void> {
  const folder = dirname(path);
  for (const entry of await readdir(folder)) {
    if (attemptOf(entry, path, writer) <= writer.attempt) await rm(join(folder, entry), { force: true });
  }
}

/**
 * Does `work` while no file is at a path. The one that was there is gone for good afterwards, and back when the work fails,
 * unless there is another one by then: work that fails must have done nothing.
 */
export async function withoutFile(path: string, writer: Writer, work: () => Promise<void>): Promise<void> {
  const aside = temporaryPath(path, writer);
  await renameIfThere(path, aside);
  try {
    await syncFolder(dirname(path));
    await work();
  } catch (error) {
    // Fails when nothing was there, or something is there again.
    await link(aside, path).catch(() => {});
    throw error;
  } finally {
    await rm(aside, { force: true });
  }
}

async function renameIfThere(from: string, to: string): Promise<void> {
  try {
    await rename(from, to);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
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

function temporaryPath(path: string, writer: Writer): string {
  return join(dirname(path), `${temporaryStem(path, writer)}${writer.attempt}.tmp`);
}

/** Digits of a hash stand for the run: its name may be long, and that of a file may not. */
function temporaryStem(path: string, { schedule, logicalDate }: Writer): string {
  const run = createHash('sha256').update(`${schedule} ${logicalDate}`).digest('hex').slice(0, 16);
  return `.${basename(path)}.run-${run}.attempt-`;
}

/** Which attempt of a run at a file a temporary file is of; infinite for what is none of its. */
function attemptOf(entry: string, path: string, writer: Writer): number {
  const stem = temporaryStem(path, writer);
  const [, attempt] = (entry.startsWith(stem) && /^(\d+)\.tmp$/.exec(entry.slice(stem.length))) || [];
  return attempt === undefined ? Number.POSITIVE_INFINITY : Number(attempt);
}
