/** How an outage of Redis is told from a fault of ours, and heard of once. */
import { Cluster, type Redis } from 'ioredis';
import { masters, type RedisConnection } from './connection.js';

interface OutageListener {
  lost(error: Error): void;
  back(): void;
}

/**
 * Hears of an outage once when it begins and once when it is over, not of every attempt in between. A cluster with one
 * master away is one, too.
 */
export function watchOutages(redis: RedisConnection, hear: OutageListener): void {
  let isLost = false;
  const lost = (error: Error) => {
    if (!isLost) hear.lost(error);
    isLost = true;
  };
  const back = () => {
    if (isLost) hear.back();
    isLost = false;
  };
  redis.on('error', lost);
  redis.on('ready', back);
  if (redis instanceof Cluster) watchMasters(redis, { lost, back });
}

/** A master is back when another node has its place, or when it has been connected to again. */
function watchMasters(cluster: Cluster, hear: OutageListener): void {
  const away = new Set<string>();
  cluster.on('node error', (error: Error, address: string) => {
    if (!masters(cluster).some((node) => addressOf(node) === address)) return;
    away.add(address);
    hear.lost(error);
  });
  cluster.on('refresh', () => {
    const stillAway = masters(cluster).filter((node) => away.has(addressOf(node)) && node.status !== 'ready');
    away.clear();
    for (const node of stillAway) away.add(addressOf(node));
    if (away.size === 0 && cluster.status === 'ready') hear.back();
  });
}

function addressOf({ options }: Redis): string {
  return `${options.host}:${options.port}`;
}

/** Answers by which a server says that it cannot serve now, though the command was right. */
const REFUSALS =
  /^(OOM|LOADING|READONLY|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|UNBLOCKED|BUSY|NOREPLICAS|MISCONF)\b/;
const CONNECTION_CODES = /^(ECONN|EPIPE|ETIMEDOUT|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH)/;
const CONNECTION_MESSAGES = new RegExp(
  `^(${[
    'Connection is closed',
    'Command timed out',
    'Command aborted due to connection close',
    "Stream isn't writeable",
    'connect ETIMEDOUT',
    'All sentinels are unreachable',
    'Too many Cluster redirections',
    'Failed to refresh slots cache',
    'None of startup nodes is available',
    'No subscriber for the cluster',
    'Cluster is ended',
  ].join('|')})`,
);

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
