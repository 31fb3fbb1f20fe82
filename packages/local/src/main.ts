/** `npm start`: the whole platform on this machine. Finds Redis, runs the API and the workers, and stops them in order. */
import { resolve } from 'node:path';
import { ConfigError, readConfig } from '@millrace/process/config';
import { integer } from '@millrace/process/env-types';
import { z } from 'zod';
import { claimDataFolder, leaveDataFolder, ownDataFolder } from './data-folder.js';
import { Platform } from './platform.js';
import { assertPortFree } from './port.js';
import { ensureRedisServer, freePort, type RedisServer, startRedisServer } from './redis-server.js';
import { welcome } from './welcome.js';

const LocalSettings = z.object({
  PORT: integer(0, 65_535, 3000),
  HOST: z.string().default('127.0.0.1'),
  /** Absent: a Redis server of one's own. */
  REDIS_URL: z.string().optional(),
  DATA_DIR: z.string().default('./.data'),
  /** Worker processes. */
  WORKERS: integer(1, 64, 1),
  API_KEYS_FILE: z.string().optional(),
});

const say = (line: string) => process.stderr.write(`${line}\n`);

try {
  await run();
} catch (error) {
  if (!(error instanceof Error)) throw error;
  say(error instanceof ConfigError ? error.message : `Millrace cannot run: ${error.message}`);
  process.exitCode = 1;
}

async function run(): Promise<void> {
  const settings = readConfig(LocalSettings, process.env);
  await assertPortFree(settings.PORT, settings.HOST);
  const stopping = new AbortController();
  const asked = new Promise<void>((resolve) => stopping.signal.addEventListener('abort', () => resolve()));
  // SIGHUP: the terminal was closed.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => stopping.abort());

  const folder = resolve(settings.DATA_DIR);
  let redis: RedisServer | undefined;
  let platform: Platform | undefined;
  try {
    if (settings.REDIS_URL === undefined) redis = await startOwnRedis(folder, stopping.signal);
    const ends = redis === undefined ? [asked] : [asked, endOf(redis)];
    platform = new Platform(
      { ...process.env, REDIS_URL: settings.REDIS_URL ?? redis?.url },
      settings.WORKERS,
      say,
    );
    const started = platform.start().then((port) => {
      return welcome(`http://${settings.HOST}:${port}`, settings.API_KEYS_FILE !== undefined, say);
    });
    await Promise.race([started.then(() => Promise.race(ends)), ...ends]);
  } catch (error) {
    if (!stopping.signal.aborted) throw error;
  } finally {
    await platform?.stop();
    await redis?.stop();
    if (redis !== undefined) await leaveDataFolder(folder);
  }
}

/** The folder is marked as owned before the server runs, so that a start that is killed leaves no unknown server on it. */
async function startOwnRedis(folder: string, signal: AbortSignal): Promise<RedisServer> {
  const binary = ensureRedisServer(say);
  await claimDataFolder(folder);
  const port = await freePort();
  await ownDataFolder(folder, { pid: process.pid, redisPort: port });
  return startRedisServer({ binary, directory: resolve(folder, 'redis'), port, signal });
}

/** Rejects when the server ends: without it the platform cannot go on. */
function endOf({ process: child }: RedisServer): Promise<never> {
  return new Promise((_, reject) => {
    child.once('exit', (code, signal) =>
      reject(new Error(`its Redis server has ended with ${code ?? signal}`)),
    );
  });
}
