import { once } from 'node:events';
import { freePort } from '@millrace/local/redis-server';
import {
  connectForRequests,
  connectForWork,
  masters,
  type RedisConnection,
} from '@millrace/queue/connection';
import { isOutage, watchOutages } from '@millrace/queue/outages';
import { serverProblems } from '@millrace/queue/server-problems';
import { afterEach, describe, expect, it, onTestFinished } from 'vitest';
import { useRedis } from '../../../test/fixtures/redis.js';

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
