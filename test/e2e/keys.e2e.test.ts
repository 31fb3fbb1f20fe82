import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { ROOT, shell } from '../fixtures/npm-start.js';
import { TestPlatform } from '../fixtures/platform.js';
import { until } from '../fixtures/until.js';

const folder = mkdtempSync(join(tmpdir(), 'millrace-keys-'));
const file = join(folder, 'made', 'api-keys.json');
afterAll(() => rmSync(folder, { recursive: true }));

/** What `npm run keys` runs once everything is built. */
const keys = (args: string) => shell(`API_KEYS_FILE=${file} node apps/api/dist/keys-cli.js ${args}`, ROOT);

it('makes keys that a running API takes, and takes no more once they are revoked', async () => {
  const alice = (await keys('create alice')).trim();
  expect(alice).toMatch(/^mr_[\w-]{43}$/);
  expect(readFileSync(file, 'utf8')).not.toContain(alice);
  expect(statSync(file).mode & 0o777).toBe(0o600);

  const platform = await TestPlatform.start(join(folder, 'redis'), 0, { API_KEYS_FILE: file });
  const status = async (key: string) => {
    const response = await fetch(`${platform.url}/v1/models`, {
      headers: { authorization: `Bearer ${key}` },
    });
    return response.status;
  };
  expect(await status(alice)).toBe(200);
  expect(await status('mr_of-nobody')).toBe(401);

  const bob = (await keys('create bob')).trim();
  await until(async () => (await status(bob)) === 200);
  expect((await keys('list')).split('\n').map((line) => line.split('\t')[0])).toEqual(['alice', 'bob', '']);

  expect(await keys('revoke alice')).toBe('Removed 1 key(s) of alice.\n');
  await until(async () => (await status(alice)) === 401);
  expect(await status(bob)).toBe(200);
  await platform.stop();
});

it.each([
  ['create', 'A client is named by'],
  ['create "a b"', 'A client is named by'],
  ['revoke nobody', 'There is no key of "nobody"'],
  ['make alice', 'Usage:'],
])('keys %s is refused with the reason', async (args, reason) => {
  await expect(keys(args)).rejects.toThrow(reason);
});
