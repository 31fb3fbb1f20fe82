/** `npm run nightly` where no platform runs: it starts one, and leaves the results and nothing else. */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { freePort } from '@millrace/local/redis-server';
import { afterAll, expect, it } from 'vitest';
import { ROOT } from '../fixtures/npm-start.js';

/** Not that of the README, whose test may run at the same time. */
const DATE = '2026-11-21';
const RESULT = join(ROOT, `data/recommendations/${DATE}.ndjson`);
const folder = mkdtempSync(join(tmpdir(), 'millrace-nightly-'));

afterAll(() => rmSync(folder, { recursive: true }));

it('recommends films to every user, with a manifest beside them, and stops what it has started', async () => {
  const env = { ...process.env, REDIS_URL: '', DATA_DIR: folder, PORT: String(await freePort()) };
  const args = ['packages/local/dist/nightly.js', '--date', DATE];
  const { stdout, stderr } = await promisify(execFile)(process.execPath, args, { cwd: ROOT, env });
  expect(stderr).toContain(
    `nightly-recommendations ${DATE} ██████████████████████████████ 100 % 943/943 rows`,
  );
  expect(stderr).toContain(`succeeded: 943 rows in ${RESULT}`);
  expect(stdout).toMatch(/^(\nuser [123]\n( {2}[123]\. .+ \(\d{4}\)\n){3}){3}$/);

  const result = readFileSync(RESULT);
  expect(result.toString().trimEnd().split('\n')).toHaveLength(943);
  expect(JSON.parse(readFileSync(`${RESULT}.manifest.json`, 'utf8'))).toMatchObject({
    schedule: 'nightly-recommendations',
    logical_date: DATE,
    rows: { total: 943, succeeded: 943 },
    bytes: result.length,
    sha256: createHash('sha256').update(result).digest('hex'),
  });
  // The note of whose the folder is goes with the platform that wrote it.
  expect(existsSync(join(folder, 'redis'))).toBe(true);
  expect(existsSync(join(folder, 'platform.json'))).toBe(false);
});
