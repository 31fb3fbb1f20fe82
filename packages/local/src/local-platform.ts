/** The whole platform on this machine, with a Redis server of its own unless it is given one. */
import { resolve } from 'node:path';
import { integer } from '@millrace/process/env-types';
import { z } from 'zod';
import { claimDataFolder, leaveDataFolder, ownDataFolder } from './data-folder.js';
import { Platform } from './platform.js';
import { assertPortFree } from './port.js';
import { ensureRedisServer, freePort, type RedisServer, startRedisServer } from './redis-server.js';

export const LocalSettings = z.object({
  PORT: integer(0, 65_535, 3000),
  HOST: z.string().default('127.0.0.1'),
  /** Absent: a Redis server of one's own. */
  REDIS_URL: z.string().optional(),
  DATA_DIR: z.string().default('./.data'),
  /** Worker processes. */
  WORKERS: integer(1, 64, 1),
  API_KEYS_FILE: z.string().optional(),
});
export type LocalSettings = z.infer<typeof LocalSettings>;

/**
 * Runs the platform for as long as `use` takes, or until the signal, or the end of its Redis server, and stops it in order.
 * @param use gets the URL of the API, whose processes are all ready
 * @throws Error when it cannot be started, or what `use` rejects with
 */
export async function withPlatform(
  settings: LocalSettings,
  say: (line: string) => void,
  signal: AbortSignal,
  use: (url: string) => Promise<void>,
): Promise<void> {
  await assertPortFree(settings.PORT, settings.HOST);
  const asked = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
  const folder = resolve(settings.DATA_DIR);
  let redis: RedisServer | undefined;
  let platform: Platform | undefined;
  try {
    if (settings.REDIS_URL === undefined) redis = await startOwnRedis(folder, say, signal);
    const ends = redis === undefined ? [asked] : [asked, endOf(redis)];
    platform = new Platform(
      { ...process.env, REDIS_URL: settings.REDIS_URL ?? redis?.url },
      settings.WORKERS,
      say,
    );
    const used = platform.start().then((port) => use(`http://${settings.HOST}:${port}`));
    await Promise.race([used, ...ends]);
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    await platform?.stop();
    await redis?.stop();
    if (redis !== undefined) await leaveDataFolder(folder);
  }
}

/** The folder is marked as owned before the server runs, so that a start that is killed leaves no unknown server on it. */
async function startOwnRedis(
  folder: string,
  say: (line: string) => void,
  signal: AbortSignal,
): Promise<RedisServer> {
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
