/** Connections to Redis, and what is asked of the server before it is used. */
import { BatchError } from '@millrace/batch/errors';
import { Redis, type RedisOptions } from 'ioredis';

const RETRY_MAX_MS = 1_000;
const COMMAND_TIMEOUT_MS = 5_000;

const RECONNECT = {
  lazyConnect: true,
  connectTimeout: 5_000,
  retryStrategy: (attempt: number) => Math.min(50 * 2 ** Math.min(attempt, 10), RETRY_MAX_MS),
} satisfies RedisOptions;

/** For answering requests: a command fails within seconds when Redis is away, so that an outage is a 503 and not a hang. */
export function connectForRequests(url: string): Redis {
  return new Redis(url, { ...RECONNECT, maxRetriesPerRequest: 1, commandTimeout: COMMAND_TIMEOUT_MS });
}

/** For workers: a command waits for Redis to come back and is then sent again; every script stands that. */
export function connectForWork(url: string): Redis {
  return new Redis(url, { ...RECONNECT, maxRetriesPerRequest: null });
}

/** What keeps this server from holding tasks safely; empty when nothing does. */
export async function serverProblems(redis: Redis): Promise<string[]> {
  const [server, memory] = await Promise.all([redis.info('server'), redis.info('memory')]);
  const problems: string[] = [];
  const [major = 0, minor = 0] = (infoField(server, 'redis_version') ?? '').split('.').map(Number);
  if (major < 6 || (major === 6 && minor < 2)) {
    problems.push(`Redis ${infoField(server, 'redis_version')} is too old; 6.2 is the oldest that works`);
  }
  const policy = infoField(memory, 'maxmemory_policy');
  if (policy !== 'noeviction') {
    problems.push(`Redis would evict tasks: set maxmemory-policy to noeviction (it is ${policy})`);
  }
  return problems;
}

function infoField(info: string, field: string): string | undefined {
  return new RegExp(`^${field}:(.*?)\\r?$`, 'm').exec(info)?.[1];
}

/** Turns a failure to reach or use Redis into the one error that says so. Anything else passes through. */
export async function orUnavailable<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (cause) {
    if (cause instanceof BatchError) throw cause;
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new BatchError(
      'store_unavailable',
      'Redis does not answer; nothing was accepted',
      {},
      { cause: new Error(reason) },
    );
  }
}
