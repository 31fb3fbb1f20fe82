import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLogger } from '@millrace/process/logger';
import request from 'supertest';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { irisRows } from '../../../test/fixtures/iris.js';
import { useRedis } from '../../../test/fixtures/redis.js';
import { ApiKeys, createKey, writeKeyFile } from '../dist/auth/api-keys.js';
import { type Harness, startHarness } from './harness.js';

const redis = useRedis();
const keys = redis.freshKeys();
const ROWS = irisRows(2);
const PATH = '/batch-predict?model=iris';

let harness: Harness;
beforeAll(async () => {
  harness = await startHarness(redis.url, keys);
});
afterAll(() => harness.stop());

const stored = () => redis.keysUnder(keys.prefix);
const submit = (key: string) => request(harness.app).post(PATH).set('idempotency-key', key).send(ROWS);

describe('an idempotency key', () => {
  it.each([
    ['empty', ''],
    ['an empty string', '""'],
    ['too long', 'x'.repeat(256)],
    ['too long in quotes', `"${'x'.repeat(256)}"`],
    ['a quote that is left open', '"abc'],
    ['a quote in the middle', 'a"b'],
    ['an escape that is none', '"a\\b"'],
    ['a blank without quotes', 'a b'],
    ['two keys', 'a, b'],
    ['two strings', '"a", "b"'],
    ['a parameter', '"a";b=1'],
    ['a tab', '"a\tb"'],
    ['beyond ASCII', '"käse"'],
  ])('that is %s is refused with what is wanted', async (_name, bad) => {
    const before = await stored();
    const { body } = await submit(bad).expect(400);
    expect(body.code).toBe('invalid_idempotency_key');
    expect(body.detail).toContain('1 to 255 printable ASCII characters');
    expect(await stored()).toEqual(before);
  });

  it.each([
    ['one character', 'x'],
    ['255 characters', 'y'.repeat(255)],
    ['255 characters in quotes', `"${'z'.repeat(255)}"`],
    ['a UUID', '8e03978e-40d5-43dd-bc93-6894a57f9324'],
    ['Base64 and a path', 'ab+/c==:2026/11/22?#~!'],
    ['blanks, commas and semicolons in quotes', '"nightly run, 2026; first"'],
  ])('may be %s', async (_name, good) => {
    const { body } = await submit(good).expect(202);
    const again = await submit(good).expect(202);
    expect(again.body.task_id).toBe(body.task_id);
  });

  it('is the client’s own', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'millrace-keys-'));
    const file = join(folder, 'keys.json');
    const [alice, bob] = [createKey('alice', new Date()), createKey('bob', new Date())];
    await writeKeyFile(file, { keys: [alice.entry, bob.entry] });
    const apiKeys = await ApiKeys.open(
      file,
      createLogger({ service: 'test', level: 'error', format: 'json' }),
    );
    const guarded = await startHarness(redis.url, keys, apiKeys);
    const send = async (apiKey: string) => {
      const response = await request(guarded.app)
        .post(PATH)
        .set('authorization', `Bearer ${apiKey}`)
        .set('idempotency-key', 'shared')
        .send(ROWS)
        .expect(202);
      return response.body.task_id as string;
    };
    const [ofAlice, ofBob] = [await send(alice.key), await send(bob.key)];
    expect(ofAlice).not.toBe(ofBob);
    expect([await send(alice.key), await send(bob.key)]).toEqual([ofAlice, ofBob]);
    await guarded.stop();
    await rm(folder, { recursive: true });
  });
});
