/** What is asked of Redis before it is trusted with tasks. */
import { setTimeout as delay } from 'node:timers/promises';
import { Cluster, type Redis } from 'ioredis';
import { masters, type RedisConnection } from './connection.js';
import { isOutage } from './outages.js';

const ASK_AGAIN_MS = 1_000;

/** What keeps Redis from holding tasks safely, at any of its masters; empty when nothing does. Rejects when one does not answer. */
export async function serverProblems(redis: RedisConnection): Promise<string[]> {
  // A cluster knows its masters once it is connected.
  await redis.ping();
  const named = redis instanceof Cluster;
  const found = masters(redis).map((node) =>
    problemsOf(node, named ? `Redis at ${node.options.host}:${node.options.port}` : 'Redis'),
  );
  return (await Promise.all(found)).flat();
}

/** As `serverProblems`, as soon as every master answers. */
export async function awaitServerProblems(redis: RedisConnection): Promise<string[]> {
  for (;;) {
    try {
      return await serverProblems(redis);
    } catch (error) {
      if (!isOutage(error)) throw error;
      await delay(ASK_AGAIN_MS);
    }
  }
}

async function problemsOf(node: Redis, name: string): Promise<string[]> {
  const [server, memory] = await Promise.all([node.info('server'), node.info('memory')]);
  const problems: string[] = [];
  const version = infoField(server, 'redis_version') ?? '';
  const [major = 0, minor = 0] = version.split('.').map(Number);
  if (major < 6 || (major === 6 && minor < 2)) {
    problems.push(`${name} is too old with ${version}; 6.2 is the oldest that works`);
  }
  const policy = infoField(memory, 'maxmemory_policy');
  if (policy !== 'noeviction') {
    problems.push(`${name} would evict tasks: set maxmemory-policy to noeviction (it is ${policy})`);
  }
  return problems;
}

/** A field of the answer to INFO. */
export function infoField(info: string, field: string): string | undefined {
  return new RegExp(`^${field}:(.*?)\\r?$`, 'm').exec(info)?.[1];
}
