/** `REDIS_URL`: one setting that spells one server, the master that Sentinels watch, or a cluster. */
import { z } from 'zod';

export interface RedisHost {
  host: string;
  port: number;
}

export interface Credentials {
  username?: string;
  password?: string;
}

interface SeveralHosts {
  hosts: RedisHost[];
  /** Of every connection, those to Sentinels among them. */
  isTls: boolean;
  /** Of the servers that hold the data. */
  credentials: Credentials;
}

export interface SentinelAddress extends SeveralHosts {
  kind: 'sentinel';
  /** The name under which the Sentinels watch the master. */
  master: string;
  database: number;
  sentinelCredentials: Credentials;
}

export interface ClusterAddress extends SeveralHosts {
  kind: 'cluster';
}

/** A server's URL is left to ioredis. */
export type RedisAddress = { kind: 'server'; url: string } | SentinelAddress | ClusterAddress;

const SCHEMES = 'must be a redis://, rediss://, redis+sentinel:// or redis+cluster:// URL';
const PARAMETERS = ['db', 'sentinel_username', 'sentinel_password'];
const SENTINEL_PORT = 26_379;
const SERVER_PORT = 6_379;

/**
 * - `redis://[user:password@]host:port[/database]`
 * - `redis+sentinel://[user:password@]host[:26379],…/<master>[?db=0&sentinel_username=…&sentinel_password=…]`
 * - `redis+cluster://[user:password@]host[:6379],…`
 *
 * and each with `rediss` for TLS. Users and passwords are percent-encoded.
 * @throws Error that says what does not hold, and quotes no password
 */
export function parseRedisUrl(url: string): RedisAddress {
  const parts =
    /^redis(?<s>s?)\+(?<kind>sentinel|cluster):\/\/(?:(?<user>[^@/?]*)@)?(?<hosts>[^/?]*)(?<rest>.*)$/.exec(
      url,
    )?.groups;
  if (parts === undefined) {
    if (!z.url({ protocol: /^rediss?$/ }).safeParse(url).success) throw new Error(SCHEMES);
    return { kind: 'server', url };
  }
  const { s, kind, user, hosts = '', rest = '' } = parts;
  const several = { isTls: s === 's', credentials: parseCredentials(user) };
  if (kind === 'cluster') {
    if (rest !== '' && rest !== '/')
      throw new Error('a cluster takes nothing after its hosts: it has no database but 0');
    return { kind, ...several, hosts: parseHosts(hosts, SERVER_PORT) };
  }
  return { kind: 'sentinel', ...several, hosts: parseHosts(hosts, SENTINEL_PORT), ...parseMaster(rest) };
}

/** The setting; it stays a string. */
export const RedisUrl = z
  .string()
  .superRefine((url, context) => {
    try {
      parseRedisUrl(url);
    } catch (error) {
      context.addIssue({ code: 'custom', message: (error as Error).message });
    }
  })
  .default('redis://127.0.0.1:6379');

function parseHosts(list: string, defaultPort: number): RedisHost[] {
  return list.split(',').map((each) => {
    const {
      v6,
      name,
      port = String(defaultPort),
    } = /^(?:\[(?<v6>[\da-fA-F:.]+)\]|(?<name>[^\s:@[\]]+))(?::(?<port>\d{1,5}))?$/.exec(each)?.groups ?? {};
    const host = v6 ?? name;
    // Not quoted: after an @ that is not percent-encoded this may be half a password.
    if (host === undefined || Number(port) < 1 || Number(port) > 65_535) {
      throw new Error('must have hosts of the form host or host:port, separated by commas');
    }
    return { host, port: Number(port) };
  });
}

/** @param rest what follows the hosts: `/<master>?db=1` */
function parseMaster(rest: string): Pick<SentinelAddress, 'master' | 'database' | 'sentinelCredentials'> {
  const { master, query = '' } = /^\/(?<master>[\w.-]+)(?:\?(?<query>.*))?$/.exec(rest)?.groups ?? {};
  if (master === undefined) {
    throw new Error(
      'must name the master that the Sentinels watch: redis+sentinel://host:port,host:port/<master>',
    );
  }
  // A plus sign is a plus sign here, as in the rest of the URL.
  const parameters = new URLSearchParams(query.replaceAll('+', '%2B'));
  const unknown = [...parameters.keys()].find((name) => !PARAMETERS.includes(name));
  if (unknown !== undefined)
    throw new Error(`has a parameter "${unknown}", which is none of ${PARAMETERS.join(', ')}`);
  const database = parameters.get('db') ?? '0';
  if (!/^\d{1,6}$/.test(database)) throw new Error('must have a whole number as db');
  return {
    master,
    database: Number(database),
    sentinelCredentials: credentials(
      parameters.get('sentinel_username') ?? '',
      parameters.get('sentinel_password') ?? '',
    ),
  };
}

function parseCredentials(user = ''): Credentials {
  const colon = user.includes(':') ? user.indexOf(':') : user.length;
  try {
    return credentials(decodeURIComponent(user.slice(0, colon)), decodeURIComponent(user.slice(colon + 1)));
  } catch {
    throw new Error('must have its user and password percent-encoded');
  }
}

/** Without those that are empty. */
function credentials(username: string, password: string): Credentials {
  return { ...(username === '' ? {} : { username }), ...(password === '' ? {} : { password }) };
}
