/** `npm start`: the whole platform on this machine. Finds Redis, runs the API and the workers, and stops them in order. */
import { resolve } from 'node:path';
import { ConfigError, readConfig } from '@millrace/process/config';
import { integer } from '@millrace/process/env-types';
import { z } from 'zod';
import { claimDataFolder, leaveDataFolder, ownDataFolder } from './data-folder.js';
import { Platform } from './platform.js';
import { assertPortFree } from './port.js';
import { ensureRedisServer, type RedisServer, startRedisServer } from './redis-server.js';
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
  say(error instanceof ConfigError ? error.message : `Millrace cannot start: ${error.message}`);
  process.exitCode = 1;
}

async function run(): Promise<void> {
  const settings = readConfig(LocalSettings, process.env);
  await assertPortFree(settings.PORT, settings.HOST);
  const folder = resolve(settings.DATA_DIR);
  const redis = settings.REDIS_URL === undefined ? await startOwnRedis(folder) : undefined;
  const env = { ...process.env, REDIS_URL: settings.REDIS_URL ?? redis?.url };
  const platform = new Platform(env, settings.WORKERS, say);

  const stop = async () => {
    await platform.stop();
    await redis?.stop();
    if (redis !== undefined) await leaveDataFolder(folder);
  };
  let stopping: Promise<void> | undefined;
  const stopOnce = () => {
    stopping ??= stop();
  };
  process.on('SIGINT', stopOnce);
  process.on('SIGTERM', stopOnce);
  try {
    const port = await platform.start();
    if (stopping === undefined) {
      await welcome(
        { url: `http://${settings.HOST}:${port}`, needsKey: settings.API_KEYS_FILE !== undefined },
        say,
      );
    }
  } catch (error) {
    const wasAsked = stopping !== undefined;
    stopOnce();
    await stopping;
    if (!wasAsked) throw error;
  }
}

async function startOwnRedis(folder: string): Promise<RedisServer> {
  const binary = ensureRedisServer(say);
  await claimDataFolder(folder);
  const redis = await startRedisServer({ binary, directory: resolve(folder, 'redis') });
  await ownDataFolder(folder, { pid: process.pid, redisPort: redis.port });
  return redis;
}
