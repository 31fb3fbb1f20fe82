/** A process that writes a file, killed at many moments: what is under the file's name is always whole. */
import { type ChildProcess, fork } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as after } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { mulberry32 } from '../../../test/fixtures/mulberry32.js';
import { useFolder } from './folder.js';

const KILLS = 25;
/** Of the first version, less one; about a megabyte, which takes a few writes. */
const LINES = 30_000;

const folder = useFolder();

it('leaves the old file or the new one, and a manifest that belongs to it or none', async () => {
  const path = join(folder.path, 'a.ndjson');
  const random = mulberry32(20261120);
  const versions = new Set<number>();
  let version = 0;
  let leftBehind = 0;
  for (let attempt = 1; attempt <= KILLS; attempt++) {
    const child = start(path, attempt, version + 1, Number.MAX_SAFE_INTEGER);
    const writingMs = await writeOne(child);
    await after(random() * writingMs);
    child.kill('SIGKILL');
    await once(child, 'exit');
    const found = wholeVersion(path);
    expect(found).toBeGreaterThan(version);
    version = found;
    versions.add(found);
    checkManifest(path);
    if (readdirSync(folder.path).some((name) => name.startsWith('.'))) leftBehind++;
  }
  expect(versions.size).toBe(KILLS);
  expect(leftBehind).toBeGreaterThan(0);

  const [code] = await once(start(path, KILLS + 1, version + 1, version + 1), 'exit');
  expect(code).toBe(0);
  expect(wholeVersion(path)).toBe(version + 1);
  checkManifest(path);
  expect(readdirSync(folder.path).sort()).toEqual(['a.ndjson', 'a.ndjson.manifest.json']);
});

function start(path: string, attempt: number, first: number, last: number): ChildProcess {
  const args = [path, folder.path, LINES, attempt, first, last].map(String);
  return fork(new URL('file-sink-child.mjs', import.meta.url), args, { execArgv: [], stdio: 'inherit' });
}

/** @returns milliseconds that one version takes here and now */
async function writeOne(child: ChildProcess): Promise<number> {
  await once(child, 'message');
  const begun = performance.now();
  await once(child, 'message');
  return performance.now() - begun;
}

/** Which version the file is, to the last byte. */
function wholeVersion(path: string): number {
  const text = readFileSync(path, 'utf8');
  const line = text.slice(0, text.indexOf('\n') + 1);
  const version = Number(/"v(\d+)"/.exec(line)?.[1]);
  expect(text === line.repeat(LINES + version)).toBe(true);
  return version;
}

function checkManifest(path: string): void {
  const manifestPath = `${path}.manifest.json`;
  if (!existsSync(manifestPath)) return;
  const bytes = readFileSync(path);
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  expect(JSON.parse(readFileSync(manifestPath, 'utf8'))).toMatchObject({ bytes: bytes.length, sha256 });
}
