/** A folder of its own for each test, gone after it. */
import { mkdirSync, mkdtempSync, realpathSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach } from 'vitest';

export interface Folder {
  readonly path: string;
  /** Writes a file, whose folders are made, and gives its path. */
  write(name: string, content: string | Uint8Array): string;
}

export function useFolder(): Folder {
  const folder = {
    path: '',
    write(name: string, content: string | Uint8Array) {
      const path = join(folder.path, name);
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, content);
      return path;
    },
  };
  beforeEach(() => {
    folder.path = realpathSync(mkdtempSync(join(tmpdir(), 'millrace-scheduler-')));
  });
  afterEach(() => rm(folder.path, { recursive: true }));
  return folder;
}
