import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort, startRedisServer } from '@millrace/local/redis-server';
import {
  connectForRequests,
  connectForWork,
  masters,
  type RedisConnection,
} from '@millrace/queue/connection';
import { isOutage, watchOutages } from '@millrace/queue/outages';
import { serverProblems } from '@millrace/queue/server-problems';
import type { Cluster, Redis } from 'ioredis';
import { afterEach, describe, expect, it, onTestFinished } from 'vitest';
import { requireRedis, useRedis } from '../../../test/fixtures/redis.js';

const redis = useRedis();

function opened(connection: RedisConnection): RedisConnection {
  watchOutages(connection, { lost: () => {}, back: () => {} });
  onTestFinished(() => connection.disconnect());
  return connection;
}

describe('while nobody answers, a request fails as an outage', () => {
  it.concurrent.each([
    ['redis://127.0.0.1:%d'],
    ['redis+sentinel://127.0.0.1:%d/millrace'],
    ['redis+cluster://127.0.0.1:%d'],
  ])('%s', async (form) => {
    const connection = connectForRequests(form.replace('%d', String(await freePort())));
    watchOutages(connection, { lost: () => {}, back: () => {} });
    const error = await connection.get('key').catch((reason) => reason);
    connection.disconnect();
    expect(error).toBeInstanceOf(Error);
    expect(isOutage(error)).toBe(true);
  });
});

it('commands of one turn go out together, and each has its own answer', async () => {
  const connection = opened(connectForRequests(redis.url)) as Redis;
  await connection.ping();
  const writes: unknown[] = [];
  const { stream } = connection;
  const send = stream._writev?.bind(stream);
  stream._writev = (chunks, sent) => {
    writes.push(chunks.length);
    send?.(chunks, sent);
  };
  const answers = [connection.set('key', '1'), connection.incr('key'), connection.get('key')];
  expect(stream.writableCorked).toBe(1);
  expect(await Promise.all(answers)).toEqual(['OK', 2, '2']);
  expect([writes, stream.writableCorked]).toEqual([[3], 0]);
});

describe('a master that is demoted under its connections', () => {
  afterEach(() => redis.redis.replicaof('NO', 'ONE'));
  const demote = async () => redis.redis.replicaof('127.0.0.1', await freePort());

  it('is left by a worker, whose command waits for a master', async () => {
    const connection = opened(connectForWork(redis.url));
    await connection.set('key', 'before');
    await demote();
    const left = once(connection, 'close');
    const written = connection.set('key', 'after');
    await left;
    await redis.redis.replicaof('NO', 'ONE');
    expect(await written).toBe('OK');
    expect(await redis.redis.get('key')).toBe('after');
  });

  it('is left by the API, whose request fails as an outage', async () => {
    const connection = opened(connectForRequests(redis.url));
    await connection.set('key', 'before');
    await demote();
    const left = once(connection, 'close');
    const error = await connection.set('key', 'after').catch((reason) => reason);
    expect(error.message).toMatch(/^READONLY/);
    expect(isOutage(error)).toBe(true);
    await left;
    await redis.redis.replicaof('NO', 'ONE');
    expect(await connection.set('key', 'after')).toBe('OK');
  });
});

it('a cluster that is not whole fails requests as an outage, and workers wait until it is', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'millrace-half-'));
  const settings = { 'cluster-enabled': 'yes', 'cluster-announce-ip': '127.0.0.1' };
  const server = await startRedisServer({ binary: requireRedis(), directory, settings });
  onTestFinished(async () => {
    await server.stop();
    rmSync(directory, { recursive: true });
  });
  const node = opened(connectForRequests(server.url));
  const slots = Array.from({ length: 16_384 }, (_, slot) => slot);
  await node.cluster('ADDSLOTS', slots.slice(0, 8_192));

  const url = `redis+cluster://127.0.0.1:${server.port}`;
  const requests = opened(connectForRequests(url)) as Cluster;
  await requests.connect();
  const error = await requests.get('key').catch((reason) => reason);
  expect(isOutage(error)).toBe(true);

  const waiting = opened(connectForWork(url)).set('key', 'whole');
  await node.cluster('ADDSLOTS', slots.slice(8_192));
  expect(await waiting).toBe('OK');
});

it('one server is its own only master, and is not to evict', async () => {
  const connection = opened(connectForRequests(redis.url));
  expect(masters(connection)).toEqual([connection]);
  expect(await serverProblems(connection)).toEqual([]);
  await redis.redis.config('SET', 'maxmemory-policy', 'allkeys-lru');
  expect(await serverProblems(connection)).toEqual([
    'Redis would evict tasks: set maxmemory-policy to noeviction (it is allkeys-lru)',
  ]);
  await redis.redis.config('SET', 'maxmemory-policy', 'noeviction');
});
