/** Connections to Redis, and what is asked of the server before it is used. */
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

/** The share of `maxmemory` from which on a server is nearly full. */
const MEMORY_HIGH = 0.9;

/** What keeps a running platform from taking more in, besides `serverProblems`. */
export async function memoryProblems(redis: Redis): Promise<string[]> {
  const { used, max } = await memoryUse(redis);
  if (max === 0 || used < max * MEMORY_HIGH) return [];
  return [`Redis is ${Math.round((used / max) * 100)} % full (maxmemory)`];
}

/** Bytes that Redis uses, and may use; the latter is 0 where nothing limits it. */
export async function memoryUse(redis: Redis): Promise<{ used: number; max: number }> {
  const memory = await redis.info('memory');
  return {
    used: Number(infoField(memory, 'used_memory') ?? 0),
    max: Number(infoField(memory, 'maxmemory') ?? 0),
  };
}

function infoField(info: string, field: string): string | undefined {
  return new RegExp(`^${field}:(.*?)\\r?$`, 'm').exec(info)?.[1];
}

/** Hears of an outage once when it begins and once when it is over, not of every attempt in between. */
export function watchOutages(redis: Redis, hear: { lost(error: Error): void; back(): void }): void {
  let isLost = false;
  redis.on('error', (error) => {
    if (!isLost) hear.lost(error);
    isLost = true;
  });
  redis.on('ready', () => {
    if (isLost) hear.back();
    isLost = false;
  });
}

/** Answers by which a server says that it cannot serve now, though the command was right. */
const REFUSALS = /^(OOM|LOADING|READONLY|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|BUSY|NOREPLICAS|MISCONF)\b/;
const CONNECTION_CODES = /^(ECONN|EPIPE|ETIMEDOUT|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH)/;
const CONNECTION_MESSAGES =
  /^(Connection is closed|Command timed out|Stream isn't writeable|connect ETIMEDOUT)/;

/** True when an error means that Redis cannot be reached or cannot serve now, so that trying again later makes sense. */
export function isOutage(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if (error.name === 'ReplyError') return REFUSALS.test(error.message);
  return (
    error.name === 'MaxRetriesPerRequestError' ||
    CONNECTION_CODES.test((error as NodeJS.ErrnoException).code ?? '') ||
    CONNECTION_MESSAGES.test(error.message)
  );
}
