import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { connectForCache, connectForWork } from '@millrace/queue/connection';
import type { ChunkRun } from '@millrace/queue/consumer';
import type { Keys } from '@millrace/queue/keys';
import { TaskStore } from '@millrace/queue/task-store';
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { commandName } from '../../../test/fixtures/command-names.js';
import { identityModel } from '../../../test/fixtures/onnx-graph.js';
import { useRedis } from '../../../test/fixtures/redis.js';
import { type RedisProxy, startRedisProxy } from '../../../test/fixtures/redis-proxy.js';
import { newTask } from '../../../test/fixtures/task.js';
import { InferencePool } from '../dist/inference/pool.js';
import { ModelRegistry } from '../dist/models/model-registry.js';
import { ProvedCopies } from '../dist/models/proved-copies.js';
import { type RunChunkDeps, runChunk } from '../dist/run-chunk.js';
import { runDeps, runOf, SILENT } from './run-deps.js';
import { type WorkerCache, workerCache } from './worker-cache.js';

/** It gives 1.5 × x for x from 0 to 9, and throws for any other. */
const FRAGILE = readFileSync(
  fileURLToPath(new URL('../../../test/fixtures/models/fragile/1/model.onnx', import.meta.url)),
);
const CACHE = { rows: 1_000, ttl_seconds: 86_400 };

const redis = useRedis();
const directory = mkdtempSync(join(tmpdir(), 'millrace-models-'));
let pool: InferencePool;
let copies: ProvedCopies;
let models: ModelRegistry;
let keys: Keys;
/** What the store's commands pass through. */
let proxy: RedisProxy;
let cache: WorkerCache;
let deps: RunChunkDeps;

function writeModel(path: string, onnx: Uint8Array, manifest: object): void {
  mkdirSync(join(directory, path), { recursive: true });
  writeFileSync(join(directory, path, 'model.onnx'), onnx);
  writeFileSync(join(directory, path, 'model.json'), JSON.stringify(manifest));
}

beforeAll(async () => {
  writeModel('plain/1', FRAGILE, {});
  writeModel('cached/1', FRAGILE, { cache: CACHE });
  writeModel('cached/2', FRAGILE, { cache: CACHE, description: 'other files' });
  writeModel('texts/1', identityModel('string', ['n', 'length']), { cache: CACHE });
  pool = new InferencePool(1);
  copies = await ProvedCopies.open();
  const options = {
    directory,
    poolName: 'default',
    pool,
    copies,
    proveMs: 20_000,
    idleMs: 3_600_000,
    log: SILENT,
  };
  models = new ModelRegistry(options);
  await models.open();
});
afterAll(async () => {
  await pool.stop();
  await copies.close();
  rmSync(directory, { recursive: true });
});

beforeEach(async () => {
  keys = redis.freshKeys();
  proxy = await startRedisProxy(redis.server.port);
  const connection = connectForWork(proxy.url);
  onTestFinished(async () => {
    connection.disconnect();
    await proxy.stop();
  });
  cache = workerCache(keys, () => connectForWork(redis.url));
  deps = await runDeps(redis.url, keys, {
    pool,
    pins: () => models.pins,
    store: new TaskStore(connection, keys),
    cache: cache.predictions,
  });
});

const pinOf = (model: string) => models.pins.find((pin) => pin.startsWith(`${model} `)) ?? '';
const cachedRows = (model: string) => redis.redis.hlen(keys.cachedRows(pinOf(model)));
let tasks = 0;

/** Submits rows, runs their chunk, and says what is stored of it. */
async function predicted(model: string, lines: readonly string[], change: Partial<ChunkRun> = {}) {
  const { store } = deps;
  const id = `task-${tasks++}`;
  const fingerprint = pinOf(model).split(' ')[1] ?? '';
  await store.create(newTask({ id, model, fingerprint }));
  const bytes = Buffer.from(lines.map((line) => `${line}\n`).join(''));
  await store.append(id, { index: 0, firstRow: 0, rows: lines.length, bytes });
  await store.seal(id, 1);
  const outcome = await runChunk(deps, runOf(id, change));
  const task = await store.read(id);
  const segments = await redis.redis.hgetallBuffer(keys.output(id, 0));
  return { outcome, ledger: task?.ledger, segments, lines: String(segments.lines) };
}

/** What the cache was good for so far, by outcome. */
async function counted(name = 'millrace_cache_rows_total') {
  const { values } = (await cache.counters.getSingleMetric(name)?.get()) ?? { values: [] };
  return Object.fromEntries(values.map(({ labels, value }) => [`${labels.model} ${labels.outcome}`, value]));
}

/** Puts another prediction in the place of the one that the cache holds for each of these rows. */
async function poison(model: string, change: (value: Buffer) => Buffer) {
  const key = keys.cachedRows(pinOf(model));
  const held = (await redis.redis.callBuffer('HGETALL', key)) as Buffer[];
  for (let at = 0; at < held.length; at += 2) {
    await redis.redis.hset(key, held[at] as Buffer, change(held[at + 1] as Buffer));
  }
  return held.length / 2;
}

const seventy = () => Buffer.from(Float32Array.of(70).buffer);

describe('equal rows', () => {
  const rows = ['[1]', '[2]', '[3.5]'];

  it('come from the cache the second time, with the same bytes in every segment', async () => {
    const first = await predicted('cached@1', rows);
    await expect.poll(() => cachedRows('cached@1')).toBe(3);
    expect(await counted()).toEqual({ 'cached@1 miss': 3 });
    const second = await predicted('cached@1', rows);
    expect(await counted()).toEqual({ 'cached@1 miss': 3, 'cached@1 hit': 3 });
    expect(second.segments).toEqual(first.segments);
    expect(second.segments).toEqual((await predicted('plain@1', rows)).segments);
    expect(await counted('millrace_cache_stored_rows_total')).toEqual({ 'cached@1 stored': 3 });
  });

  it('are delivered as the cache holds them, with nothing asked of the model', async () => {
    await predicted('cached@1', rows);
    await expect.poll(() => cachedRows('cached@1')).toBe(3);
    expect(await poison('cached@1', seventy)).toBe(3);
    const again = await predicted('cached@1', ['{"x":2.0,"id":"two"}', '[4]', '{"id":1,"x":1}']);
    expect(again.lines).toBe(
      '{"row":0,"id":"two","prediction":70}\n{"row":1,"prediction":6}\n{"row":2,"id":1,"prediction":70}\n',
    );
    expect(await counted()).toEqual({ 'cached@1 miss': 4, 'cached@1 hit': 2 });
  });

  it('are predicted again when what the cache holds cannot be read', async () => {
    await predicted('cached@1', rows);
    await expect.poll(() => cachedRows('cached@1')).toBe(3);
    await poison('cached@1', (value) => value.subarray(1));
    const again = await predicted('cached@1', rows);
    expect(again.segments).toEqual((await predicted('plain@1', rows)).segments);
    expect(await counted()).toEqual({ 'cached@1 miss': 6 });
  });

  it('are not those of another version', async () => {
    await predicted('cached@1', rows);
    await expect.poll(() => cachedRows('cached@1')).toBe(3);
    await poison('cached@1', seventy);
    expect((await predicted('cached@2', ['[2]'])).lines).toBe('{"row":0,"prediction":3}\n');
    expect(await counted()).toEqual({ 'cached@1 miss': 3, 'cached@2 miss': 1 });
  });

  it('of one chunk are predicted once', async () => {
    const { lines } = await predicted('cached@1', ['[2]', '{"x":2}', '[4]', '[2.0]', '[4]']);
    expect(lines.match(/"prediction":\d+/g)).toEqual([3, 3, 6, 3, 6].map((y) => `"prediction":${y}`));
    expect(await counted()).toEqual({ 'cached@1 miss': 2, 'cached@1 repeat': 3 });
    await expect.poll(() => cachedRows('cached@1')).toBe(2);
  });
});

it('rows of every kind in one chunk keep their order and their outcome', async () => {
  await predicted('cached@1', ['[1]', '[2]']);
  await expect.poll(() => cachedRows('cached@1')).toBe(2);
  const mixed = [
    '[99]',
    '{"x":1,"id":"hit"}',
    'nothing',
    '{"x":5,"id":"miss"}',
    '[5]',
    '{"x":"?","id":"bad"}',
    '{"x":99,"id":"fails"}',
    '[2]',
    '[1]',
    '[7]',
  ];
  const cached = await predicted('cached@1', mixed);
  const plain = await predicted('plain@1', mixed);
  expect(cached.segments).toEqual(plain.segments);
  expect(cached.ledger).toEqual(plain.ledger);
  expect(cached.ledger).toMatchObject({ succeeded: 6, invalid: 2, failed: 2 });
  expect(await counted()).toEqual({ 'cached@1 miss': 2 + 3, 'cached@1 hit': 2, 'cached@1 repeat': 3 });
  // What failed is no prediction that could be kept, is tried again, and fails again.
  await expect.poll(() => cachedRows('cached@1')).toBe(4);
  expect(await counted('millrace_cache_stored_rows_total')).toEqual({ 'cached@1 stored': 2 + 2 });
  expect((await predicted('cached@1', ['[99]'])).ledger).toMatchObject({ failed: 1 });
});

it('texts of any length come back as they were, each with its shape', async () => {
  const rows = ['["a","bc"]', '["ab","c"]', '[""]', '["é 😀"]', '["a","bc"]', '[["a","b","c"]]'];
  const first = await predicted('texts@1', rows);
  expect(first.ledger).toMatchObject({ succeeded: rows.length });
  await expect.poll(() => cachedRows('texts@1')).toBe(rows.length - 1);
  const second = await predicted('texts@1', rows);
  expect(second.segments).toEqual(first.segments);
  expect(await counted()).toEqual({ 'texts@1 miss': 5, 'texts@1 hit': 5, 'texts@1 repeat': 2 });
});

it('what Redis does not answer in time is predicted', async () => {
  const away = await startRedisProxy(redis.server.port);
  onTestFinished(() => away.stop());
  away.decide = () => ({ kind: 'strike', moment: 'before', strike: () => {} });
  cache = workerCache(keys, () => connectForCache(away.url));
  deps = { ...deps, cache: cache.predictions };
  const rows = ['[1]', '[2]', '[1]'];
  for (let time = 0; time < 2; time++) {
    const { outcome, segments } = await predicted('cached@1', rows);
    expect(outcome).toEqual({ kind: 'settled' });
    expect(segments).toEqual((await predicted('plain@1', rows)).segments);
  }
  expect(await counted()).toEqual({ 'cached@1 error': 4, 'cached@1 repeat': 2 });
  await expect.poll(() => counted('millrace_cache_stored_rows_total')).toEqual({ 'cached@1 dropped': 4 });
});

it('a model without a cache, and a suspect chunk, have nothing to do with it', async () => {
  let wasOpened = false;
  cache = workerCache(keys, () => {
    wasOpened = true;
    return connectForWork(redis.url);
  });
  deps = { ...deps, cache: cache.predictions };
  expect((await predicted('plain@1', ['[2]'])).lines).toBe('{"row":0,"prediction":3}\n');
  expect((await predicted('cached@1', ['[2]'], { isSuspect: true })).lines).toBe(
    '{"row":0,"prediction":3}\n',
  );
  expect(await counted()).toEqual({});
  expect(wasOpened).toBe(false);
});

it('what is not committed is not kept', async () => {
  const isCommit = (words: readonly string[]) => commandName(words, keys) === 'commit';
  proxy.decide = (words) => ({ kind: isCommit(words) ? 'refuse' : 'pass' });
  expect((await predicted('cached@1', ['[1]', '[2]'])).outcome).toMatchObject({ kind: 'hand_back' });
  proxy.decide = () => ({ kind: 'pass' });
  await predicted('cached@1', ['[3]']);
  // Kept in the order in which it was given.
  await expect.poll(() => cachedRows('cached@1')).toBe(1);
});
