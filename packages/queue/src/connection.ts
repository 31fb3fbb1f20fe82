/** Connections to Redis, whether it is one server, a master that Sentinels watch, or a cluster. */
import { Cluster, type ClusterOptions, Redis, type RedisOptions } from 'ioredis';
import { type ClusterAddress, parseRedisUrl, type SentinelAddress } from './redis-url.js';

export type RedisConnection = Redis | Cluster;

const RETRY_MAX_MS = 1_000;
const CONNECT_TIMEOUT_MS = 5_000;
const COMMAND_TIMEOUT_MS = 5_000;
/** A chunk is a quarter of a second of work: longer than that, it is predicted sooner than looked up. */
const CACHE_TIMEOUT_MS = 200;
/** After which a server that owes an answer is given up, and connected to again. BullMQ lets it take ten seconds. */
const SILENCE_MAX_MS = 30_000;
/** How often a cluster is asked who its masters are, for the sake of those that freeze and refuse nothing. */
const CLUSTER_REFRESH_MS = 5_000;
/** Between two tries of a command that a node of a cluster could not take. */
const CLUSTER_RETRY_MS = 100;
/** How often that is tried, where it is not tried for ever. */
const CLUSTER_RETRIES = 8;

const backoff = (attempt: number): number => Math.min(50 * 2 ** Math.min(attempt, 10), RETRY_MAX_MS);

const RECONNECT = {
  connectTimeout: CONNECT_TIMEOUT_MS,
  retryStrategy: backoff,
} satisfies RedisOptions;

/** How long a command waits for a Redis that is away, and what becomes of it. */
type Patience = Pick<
  RedisOptions,
  'lazyConnect' | 'maxRetriesPerRequest' | 'commandTimeout' | 'socketTimeout' | 'reconnectOnError'
>;

/**
 * For answering requests: a command fails within seconds when Redis is away or fails over, so that an outage is a 503 and
 * not a hang.
 */
export function connectForRequests(url: string): RedisConnection {
  return connect(url, {
    lazyConnect: true,
    maxRetriesPerRequest: 1,
    commandTimeout: COMMAND_TIMEOUT_MS,
    reconnectOnError: isDemoted,
  });
}

/**
 * For workers: a command waits for Redis to come back and is then sent again; every script stands that. Connects by
 * itself: what is lazy, BullMQ connects, and gives up its copy for good when the first attempt fails.
 */
export function connectForWork(url: string): RedisConnection {
  return connect(url, {
    lazyConnect: false,
    maxRetriesPerRequest: null,
    socketTimeout: SILENCE_MAX_MS,
    reconnectOnError: (error) => (isDemoted(error) ? 2 : false),
  });
}

/**
 * For what can be done without: a command fails unless Redis answers at once. Connects when it is first used.
 */
export function connectForCache(url: string): RedisConnection {
  return connect(url, {
    lazyConnect: true,
    maxRetriesPerRequest: 1,
    commandTimeout: CACHE_TIMEOUT_MS,
    socketTimeout: COMMAND_TIMEOUT_MS,
    reconnectOnError: isDemoted,
  });
}

function connect(url: string, patience: Patience): RedisConnection {
  const address = parseRedisUrl(url);
  switch (address.kind) {
    case 'server':
      return gatherWrites(new Redis(address.url, { ...RECONNECT, ...patience }));
    case 'sentinel':
      return gatherWrites(new Redis({ ...RECONNECT, ...patience, ...sentinelOptions(address) }));
    case 'cluster':
      return staysEnded(new TimedCluster(address.hosts, clusterOptions(address, patience))).on(
        '+node',
        gatherWrites,
      );
  }
}

/**
 * Has all commands of one turn of the event loop go out in one write: for small tasks, writing and reading them one by one
 * costs both sides a tenth of their time. Unlike automatic pipelining it leaves every command what it is.
 */
function gatherWrites(redis: Redis): Redis {
  const send = redis.sendCommand.bind(redis);
  redis.sendCommand = (...sent) => {
    const { stream } = redis;
    if (stream?.writable && stream.writableCorked === 0) {
      stream.cork();
      setImmediate(() => stream.uncork());
    }
    return send(...sent);
  };
  return redis;
}

function sentinelOptions(address: SentinelAddress) {
  const { username, password } = address.sentinelCredentials;
  return {
    sentinels: address.hosts,
    name: address.master,
    db: address.database,
    ...address.credentials,
    ...(username === undefined ? {} : { sentinelUsername: username }),
    ...(password === undefined ? {} : { sentinelPassword: password }),
    ...(address.isTls ? { tls: {}, sentinelTLS: {}, enableTLSForSentinelMode: true } : {}),
    sentinelCommandTimeout: COMMAND_TIMEOUT_MS,
    sentinelRetryStrategy: backoff,
    sentinelReconnectStrategy: backoff,
    // A master that freezes, or is cut off, closes no connection: that it was replaced is heard from the Sentinels.
    failoverDetector: true,
  } satisfies RedisOptions;
}

function clusterOptions(address: ClusterAddress, { lazyConnect, ...patience }: Patience) {
  return {
    lazyConnect: lazyConnect === true,
    // With the check, `connect` never settles on a cluster that is not whole. Without it, commands hear CLUSTERDOWN and are tried again.
    enableReadyCheck: false,
    clusterRetryStrategy: backoff,
    slotsRefreshInterval: CLUSTER_REFRESH_MS,
    maxRedirections: patience.maxRetriesPerRequest === null ? Number.MAX_SAFE_INTEGER : CLUSTER_RETRIES,
    retryDelayOnFailover: CLUSTER_RETRY_MS,
    retryDelayOnClusterDown: CLUSTER_RETRY_MS,
    retryDelayOnTryAgain: CLUSTER_RETRY_MS,
    // Two nodes that take each other for the master are asked in turns, but not as fast as they answer.
    retryDelayOnMoved: CLUSTER_RETRY_MS,
    // As it is: a certificate is for a name.
    dnsLookup: (host: string, found: (error: null, address: string) => void) => found(null, host),
    redisOptions: {
      ...patience,
      connectTimeout: CONNECT_TIMEOUT_MS,
      ...address.credentials,
      ...(address.isTls ? { tls: {} } : {}),
    },
  } satisfies ClusterOptions;
}

/** A node's `commandTimeout` begins when the command is sent to it; here it bounds the search for the node, too. */
class TimedCluster extends Cluster {
  override sendCommand(...sent: Parameters<Cluster['sendCommand']>): unknown {
    const limitMs = this.options.redisOptions?.commandTimeout;
    if (limitMs !== undefined) sent[0].setTimeout(limitMs);
    return super.sendCommand(...sent);
  }
}

/**
 * A cluster that has ended stays so until it is connected again, and so do its copies, on one of which BullMQ waits for
 * work. By itself it is `close` again with the next of its nodes that closes: a command that is tried again then waits for
 * ever, and BullMQ for an end that has been.
 */
function staysEnded(cluster: Cluster): Cluster {
  let hasEnded = false;
  const stay = () => {
    if (hasEnded && cluster.status === 'close') cluster.status = 'end';
  };
  cluster.on('connecting', () => {
    hasEnded = false;
  });
  cluster.on('end', () => {
    hasEnded = true;
    stay();
  });
  cluster.on('close', stay);
  const duplicate = cluster.duplicate.bind(cluster);
  cluster.duplicate = ((...copied: Parameters<typeof duplicate>) =>
    staysEnded(duplicate(...copied))) as typeof duplicate;
  return cluster;
}

/** A server that was a master when it was connected to, and is none any more. Redis 6 has the word within a script's error. */
function isDemoted(error: Error): boolean {
  return /\bREADONLY\b/.test(error.message);
}

/** The nodes that hold keys: the connection itself, or one connection for each master of a cluster that is connected. */
export function masters(redis: RedisConnection): Redis[] {
  return redis instanceof Cluster ? redis.nodes('master') : [redis];
}
