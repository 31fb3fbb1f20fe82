/** The platform is responsible for Millrace's processes: one API, some workers and a Redis of their own, on loopback. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { type PlatformProcess, startProcess } from '@millrace/local/platform-process';
import { type RedisServer, startRedisServer } from '@millrace/local/redis-server';
import { Redis } from 'ioredis';
import type { ProcessIds } from '../usage/usage-meter.js';
import { makeModelsDirectory } from './models-directory.js';

export interface PlatformOptions {
  /** Of its own; for Redis's file and the models. */
  directory: string;
  /** The Redis server's binary. */
  redis: string;
  /** Version folders by the name under which they are served. */
  models: Readonly<Record<string, string>>;
  /** Worker processes (1). */
  workers?: number;
  /** Inference threads of each (2). */
  threads?: number;
  /** Further settings of every process. */
  settings?: Record<string, string>;
  /** Gives up the start. */
  signal: AbortSignal;
}

const LOG_KEPT = 4_000;

export class Platform {
  url = '';
  /** For looking at what is stored. */
  readonly redis: Redis;
  readonly settings: Record<string, string>;
  private readonly api: PlatformProcess;
  private readonly workers: PlatformProcess[];
  private log = '';

  private constructor(
    { directory, models, workers = 1, threads = 2, settings }: PlatformOptions,
    private readonly server: RedisServer,
  ) {
    const given = { WORKER_THREADS: String(threads), LOG_LEVEL: 'warn', ...settings };
    this.settings = { workers: String(workers), ...given };
    this.redis = new Redis(server.url);
    this.redis.on('error', () => {});
    // Nothing else of this process's environment: the settings are those that the report shows.
    const env = {
      PATH: process.env.PATH,
      ...given,
      REDIS_URL: server.url,
      PORT: '0',
      WORKER_PORT: '0',
      MODELS_DIR: makeModelsDirectory(directory, models),
    };
    const hear = (text: string) => {
      this.log = (this.log + text).slice(-LOG_KEPT);
    };
    this.workers = Array.from({ length: workers }, () => startProcess('worker', env, hear));
    this.api = startProcess('api', env, hear);
  }

  /** Resolves when all processes are ready. @throws Error with the end of the log when one is not to be */
  static async start(options: PlatformOptions): Promise<Platform> {
    const { directory, redis: binary, signal } = options;
    mkdirSync(directory, { recursive: true });
    const server = await startRedisServer({ binary, directory: join(directory, 'redis'), signal });
    const platform = new Platform(options, server);
    try {
      const { port } = await platform.api.ready;
      await Promise.all(platform.workers.map(({ ready }) => ready));
      platform.url = `http://127.0.0.1:${port}`;
      return platform;
    } catch (error) {
      await platform.stop();
      throw new Error(`${(error as Error).message}\n${platform.log}`);
    }
  }

  get ids(): ProcessIds {
    return {
      api: [this.api.child.pid as number],
      worker: this.workers.map(({ child }) => child.pid as number),
      redis: [this.server.process.pid as number],
    };
  }

  async redisVersion(): Promise<string> {
    return /^(?:valkey|redis)_version:(\S+)/m.exec(await this.redis.info('server'))?.[1] ?? 'unknown';
  }

  /** Lets the workers do nothing at all, or go on. */
  signalWorkers(signal: 'SIGSTOP' | 'SIGCONT'): void {
    for (const { child } of this.workers) child.kill(signal);
  }

  /** By their process ids, in order; those that sleep as well. */
  async stop(): Promise<void> {
    this.signalWorkers('SIGCONT');
    this.redis.disconnect();
    await Promise.all([this.api, ...this.workers].map((each) => each.stop()));
    await this.server.stop();
  }
}
