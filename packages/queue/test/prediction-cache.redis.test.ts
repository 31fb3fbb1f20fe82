import {
  connectForCache,
  connectForRequests,
  connectForWork,
  type RedisConnection,
} from '@millrace/queue/connection';
import type { Keys } from '@millrace/queue/keys';
import { packValues, unpackValues } from '@millrace/queue/packed-values';
import { PredictionCache } from '@millrace/queue/prediction-cache';
import { ROW_KEY_BYTES } from '@millrace/queue/scripts/cache-scripts';
import fc from 'fast-check';
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { useRedis } from '../../../test/fixtures/redis.js';
import { startRedisProxy } from '../../../test/fixtures/redis-proxy.js';

const redis = useRedis();
const PIN = 'iris@1 f1';
const DAY_MS = 86_400_000;
/** At most 1,000 rows for a day. */
const LIMITS = { rows: 1_000, ttl_seconds: 86_400 };

let keys: Keys;
let errors: unknown[];
let now: number;

beforeEach(() => {
  keys = redis.freshKeys();
  errors = [];
  now = 0;
});

function cacheOn(connect: () => RedisConnection): PredictionCache {
  const cache = new PredictionCache({
    connect,
    keys,
    onError: (error) => errors.push(error),
    now: () => now,
  });
  onTestFinished(() => cache.stop());
  return cache;
}

const patientCache = () => cacheOn(() => connectForWork(redis.url));

/** Rows that are named by numbers, and what is predicted for them. */
const keysOf = (rows: readonly number[]) =>
  Uint8Array.from(Buffer.concat(rows.map((row) => Buffer.alloc(ROW_KEY_BYTES, `row-${row}.`))));
const answerTo = (row: number) => new Uint8Array(row % 7).fill(row % 251);
const entriesOf = (rows: readonly number[]) => ({
  keys: keysOf(rows),
  values: packValues(rows.map(answerTo)),
});

/** By row, in order: its value, or undefined. */
async function found(cache: PredictionCache, rows: readonly number[], pin = PIN) {
  const parts = await cache.look(pin, keysOf(rows));
  return parts?.flatMap((part) => unpackValues(part)).map((value) => value && Uint8Array.from(value));
}

const range = (from: number, to: number) => Array.from({ length: to - from }, (_, at) => from + at);
const sizes = () =>
  Promise.all([keys.cachedRows(PIN), keys.olderCachedRows(PIN)].map((key) => redis.redis.hlen(key)));
const lifetimes = () =>
  Promise.all([keys.cachedRows(PIN), keys.olderCachedRows(PIN)].map((key) => redis.redis.pttl(key)));

it('gives back what it was given, in the order that it is asked, and of one version only', async () => {
  const cache = patientCache();
  expect(
    await cache.store(PIN, { ...LIMITS, rows: 20_000 }, [entriesOf(range(0, 3_000)), entriesOf([5_000])]),
  ).toBe(3_001);
  const asked = [5_000, ...range(2_000, 8_000), 0];
  const expected = asked.map((row) => (row < 3_000 || row === 5_000 ? answerTo(row) : undefined));
  expect(await found(cache, asked)).toEqual(expected);
  expect(await found(cache, [0], 'iris@1 f2')).toEqual([undefined]);
  expect(await found(cache, [0], 'iris@2 f1')).toEqual([undefined]);
});

it('never holds more rows than it may, and always the last ones', async () => {
  const cache = patientCache();
  const batch = fc.array(fc.nat(60), { minLength: 1, maxLength: 40 });
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 2, max: 30 }),
      fc.array(batch, { maxLength: 8 }),
      async (rows, batches) => {
        await redis.redis.del(keys.cachedRows(PIN), keys.olderCachedRows(PIN));
        for (const each of batches) {
          expect(await cache.store(PIN, { ...LIMITS, rows }, [entriesOf(each)])).toBe(each.length);
          const [current = 0, previous = 0] = await sizes();
          expect(current + previous).toBeLessThanOrEqual(rows);
          for (const ms of await lifetimes())
            expect([-2, DAY_MS]).toContain(ms < 0 ? ms : Math.ceil(ms / 6e4) * 6e4);
          // As many as a generation takes.
          const last = each.slice(-Math.floor(rows / 2));
          expect(await found(cache, last)).toEqual(last.map(answerTo));
        }
        const all = range(0, 61);
        const answers = (await found(cache, all)) ?? [];
        expect(
          answers.filter((value, row) => value !== undefined && String(value) !== String(answerTo(row))),
        ).toEqual([]);
      },
    ),
    { numRuns: 40 },
  );
});

describe('a generation', () => {
  it('goes when its lifetime has passed, which no write makes longer', async () => {
    const cache = patientCache();
    await cache.store(PIN, LIMITS, [entriesOf([1])]);
    await redis.redis.pexpire(keys.cachedRows(PIN), DAY_MS * 0.6);
    await cache.store(PIN, LIMITS, [entriesOf([2])]);
    await cache.store(PIN, LIMITS, [entriesOf([1])]);
    expect(await sizes()).toEqual([2, 0]);
    const [left = 0] = await lifetimes();
    expect(left).toBeLessThanOrEqual(DAY_MS * 0.6);
  });

  it('takes no more rows after half of its lifetime, and is read for the rest of it', async () => {
    const cache = patientCache();
    await cache.store(PIN, LIMITS, [entriesOf([1, 2])]);
    await redis.redis.pexpire(keys.cachedRows(PIN), DAY_MS * 0.4);
    await cache.store(PIN, LIMITS, [entriesOf([3])]);
    expect(await sizes()).toEqual([1, 2]);
    expect(await found(cache, [1, 2, 3])).toEqual([answerTo(1), answerTo(2), answerTo(3)]);
    const [current = 0, previous = 0] = await lifetimes();
    expect(current).toBeGreaterThan(DAY_MS * 0.9);
    expect(previous).toBeLessThanOrEqual(DAY_MS * 0.4);
  });
});

describe('a Redis', () => {
  it('that is nearly full is given nothing, and gets back what it held', async () => {
    const cache = patientCache();
    await cache.store(PIN, LIMITS, [entriesOf(range(0, 100))]);
    const used = Number(/used_memory:(\d+)/.exec(await redis.redis.info('memory'))?.[1]);
    onTestFinished(() => redis.redis.config('SET', 'maxmemory', '0').then(() => {}));
    await redis.redis.config('SET', 'maxmemory', String(Math.round(used * 1.3)));
    expect(await cache.store(PIN, LIMITS, [entriesOf([200])])).toBe(0);
    expect(await sizes()).toEqual([0, 0]);
    await redis.redis.config('SET', 'maxmemory', String(used * 3));
    expect(await cache.store(PIN, LIMITS, [entriesOf([200])])).toBe(1);
    expect(errors).toEqual([]);
  });

  it('that does not answer is waited for a moment, and asked again later', async () => {
    const cache = cacheOn(() => connectForCache(redis.url));
    const asked = () => {
      now += 5_000;
      return found(cache, [1]);
    };
    await expect.poll(asked, { timeout: 20_000 }).toEqual([undefined]);
    errors = [];
    redis.server.process.kill('SIGSTOP');
    onTestFinished(() => void redis.server.process.kill('SIGCONT'));
    expect(await asked()).toBeUndefined();
    expect(errors.map(String)).toEqual([expect.stringContaining('timed out')]);
    redis.server.process.kill('SIGCONT');
    await expect.poll(asked, { timeout: 20_000 }).toEqual([undefined]);
  });

  it('that refuses, or is away, is no error to whoever asks, and left alone for a while', async () => {
    const proxy = await startRedisProxy(redis.server.port);
    let scripts = 0;
    proxy.decide = ([command = '']) => {
      if (!command.toLowerCase().startsWith('eval')) return { kind: 'pass' };
      scripts++;
      return { kind: 'refuse' };
    };
    const cache = cacheOn(() => connectForRequests(proxy.url));
    expect(await found(cache, [1])).toBeUndefined();
    now = 4_999;
    expect(await cache.store(PIN, LIMITS, [entriesOf([1])])).toBe(0);
    expect(await found(cache, [1])).toBeUndefined();
    expect(errors.map(String)).toEqual([expect.stringContaining('OOM')]);
    expect(scripts).toBe(1);
    await proxy.stop();
    now = 5_000;
    expect(await cache.store(PIN, LIMITS, [entriesOf([1])])).toBe(0);
    expect(errors).toHaveLength(2);
  });
});

it('drops what is to be kept while four chunks are being kept', async () => {
  const cache = patientCache();
  const stored = await Promise.all(range(0, 6).map((row) => cache.store(PIN, LIMITS, [entriesOf([row])])));
  expect(stored).toEqual([1, 1, 1, 1, 0, 0]);
  expect(await cache.store(PIN, LIMITS, [entriesOf([6])])).toBe(1);
});
