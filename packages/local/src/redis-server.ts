/** Finds, installs, starts and stops a Redis server of one's own, on loopback. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { accessSync, constants, mkdirSync } from 'node:fs';
import { createServer } from 'node:net';
import { delimiter, join } from 'node:path';
import { Redis } from 'ioredis';

const NAMES = ['redis-server', 'valkey-server'];
/** Where package managers put servers that an ordinary PATH may lack. */
const FURTHER_FOLDERS = ['/usr/bin', '/usr/sbin', '/usr/local/bin', '/opt/homebrew/bin'];
/** Long, for a server that loads a large file; one that cannot start ends by itself, and is heard at once. */
const START_MS = 600_000;
const STOP_MS = 10_000;

/** The path of a redis-server or valkey-server; undefined when there is none. */
export function findRedisServer(path: string = process.env.PATH ?? ''): string | undefined {
  const folders = [...path.split(delimiter).filter((folder) => folder !== ''), ...FURTHER_FOLDERS];
  return NAMES.flatMap((name) => folders.map((folder) => join(folder, name))).find(isExecutable);
}

/**
 * The path of a server, installed with the system's package manager where this process may.
 * @param say gets one line before anything is installed
 * @throws Error with the ways out
 */
export function ensureRedisServer(say: (line: string) => void): string {
  const found = findRedisServer();
  if (found !== undefined) return found;
  const install = INSTALLERS.find(({ program }) => isOnPath(program));
  if (install !== undefined && (process.getuid?.() === 0 || !install.needsRoot)) {
    say(
      `There is no Redis server; installing one: ${install.commands.map((args) => args.join(' ')).join(' && ')}`,
    );
    for (const [command = '', ...args] of install.commands) {
      const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
      spawnSync(command, args, { stdio: ['ignore', 'ignore', 2], env });
    }
    const installed = findRedisServer();
    if (installed !== undefined) return installed;
    throw new Error(`The installation did not bring a Redis server.\n${WAYS_OUT}`);
  }
  throw new Error(
    `There is no Redis server on this machine, and this user may not install one.\n${WAYS_OUT}`,
  );
}

const WAYS_OUT = `Do one of these and start again:
  - install one:  sudo apt-get install redis-server   (or: dnf install redis, apk add redis, brew install redis)
  - use one that runs elsewhere:  REDIS_URL=redis://host:6379 npm start   (npm test needs redis-server itself)
  - put redis-server or valkey-server (6.2 or later) on the PATH`;

const INSTALLERS = [
  {
    program: 'apt-get',
    needsRoot: true,
    commands: [
      ['apt-get', 'update', '-qq'],
      ['apt-get', 'install', '-y', '-qq', '--no-install-recommends', 'redis-server'],
    ],
  },
  { program: 'dnf', needsRoot: true, commands: [['dnf', 'install', '-y', '-q', 'redis']] },
  { program: 'apk', needsRoot: true, commands: [['apk', 'add', '--quiet', 'redis']] },
  { program: 'brew', needsRoot: false, commands: [['brew', 'install', '--quiet', 'redis']] },
];

function isOnPath(program: string): boolean {
  return (process.env.PATH ?? '').split(delimiter).some((folder) => isExecutable(join(folder, program)));
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

export interface RedisServerOptions {
  /** The path of the server. */
  binary: string;
  /** Where it keeps its append-only file; made when absent. */
  directory: string;
  /** Absent: a free one. */
  port?: number;
  /** Further settings of redis.conf, by name. */
  settings?: Record<string, string>;
  /** Gives up the start, and ends the server. */
  signal?: AbortSignal;
}

/** A running server. */
export interface RedisServer {
  url: string;
  port: number;
  process: ChildProcess;
  /** Writes what is in memory and ends. Calling it again is harmless. */
  stop(): Promise<void>;
}

/**
 * Starts a server that keeps every write in an append-only file and evicts nothing. It does not share the terminal's
 * signals: on Ctrl-C it outlives those who still write to it, until `stop`.
 * @throws Error when it does not answer in time, with the last lines it wrote
 */
export async function startRedisServer(options: RedisServerOptions): Promise<RedisServer> {
  const { binary, directory, settings = {} } = options;
  const port = options.port ?? (await freePort());
  mkdirSync(directory, { recursive: true });
  const all = {
    port: String(port),
    bind: '127.0.0.1',
    dir: directory,
    daemonize: 'no',
    save: '',
    appendonly: 'yes',
    appendfsync: 'everysec',
    // Rows and results come and go: the file is written anew when it has grown by so much, not with every large task.
    'auto-aof-rewrite-min-size': '512mb',
    'maxmemory-policy': 'noeviction',
    ...settings,
  };
  const args = Object.entries(all).flatMap(([name, value]) => [`--${name}`, value]);
  const child = spawn(binary, args, { stdio: ['ignore', 'pipe', 'pipe'], detached: true });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on('data', (data) => {
      output = (output + data).slice(-2_000);
    });
  }
  const server: RedisServer = {
    url: `redis://127.0.0.1:${port}`,
    port,
    process: child,
    stop: () => stop(child),
  };
  try {
    await answers(port, child, options.signal);
    return server;
  } catch (error) {
    await server.stop();
    throw new Error(`${binary} did not start: ${(error as Error).message}\n${output.trim()}`);
  }
}

/** Resolves once the server answers PING, which it refuses while it still loads its file. */
async function answers(port: number, child: ChildProcess, signal?: AbortSignal): Promise<void> {
  const redis = new Redis(port, '127.0.0.1', {
    lazyConnect: true,
    maxRetriesPerRequest: null,
    retryStrategy: () => 20,
  });
  redis.on('error', () => {});
  let timer: NodeJS.Timeout | undefined;
  const failed = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer after ${START_MS} ms`)), START_MS);
    child.once('error', reject);
    signal?.addEventListener('abort', () => reject(new Error('the start was given up')));
    child.once('exit', (code) => reject(new Error(`it ended with code ${code}`)));
  });
  try {
    await Promise.race([
      redis
        .connect()
        .catch(() => {})
        .then(() => redis.ping()),
      failed,
    ]);
  } finally {
    clearTimeout(timer);
    redis.disconnect();
  }
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
  const exited = once(child, 'exit');
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
  await exited;
  clearTimeout(timer);
}

/** A port that nobody listens on now. */
export async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return port;
}
