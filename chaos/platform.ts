/** The chaos platform is responsible for the real processes: one Redis, one API, some workers, each started again when it ends. */
import { cpSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type PlatformProcess, type ProcessKind, startProcess } from '@millrace/local/platform-process';
import { freePort, type RedisServer, startRedisServer } from '@millrace/local/redis-server';
import { Keys } from '@millrace/queue/keys';
import { Redis } from 'ioredis';
import { writeSlowSampled } from '../test/fixtures/poison-model.js';

/** Short, so that what waits for them in a round waits briefly. */
const SETTINGS = {
  LOG_FORMAT: 'json',
  LOG_LEVEL: 'info',
  WORKER_PORT: '0',
  WORKER_THREADS: '1',
  LOCK_MS: '1000',
  UPLOAD_LEASE_MS: '1500',
  REAP_INTERVAL_MS: '500',
  // A Redis that is full for a moment is no reason to expire results.
  RESULTS_MAX_BYTES: String(2 ** 40),
  STOP_GRACE_MS: '1000',
  CHUNK_TIMEOUT_MS: '4000',
};
const REDIS_SETTINGS = { appendfsync: 'always' };
const RESTART_MS = 200;
/** A process that has not ended so long after SIGTERM is killed. */
const STOP_MS = 15_000;
const LOG_KEPT = 400_000;
/** Samples as slow as this, in seconds per micro-batch of 4, make chunks of a few hundred rows. */
const SAMPLE_SECONDS = 0.002;

export class ChaosPlatform {
  readonly keys = new Keys('millrace');
  /** For looking at what is stored, and for the faults of Redis. */
  readonly redis: Redis;
  /** What the processes wrote last. */
  log = '';
  /** Ends of processes that were started again, by place and how they ended. */
  readonly restarts: Record<string, number> = {};
  private readonly running = new Map<string, PlatformProcess>();
  private redisRestart: Promise<void> = Promise.resolve();
  private isStopping = false;

  private constructor(
    readonly port: number,
    private readonly env: NodeJS.ProcessEnv,
    private readonly redisOptions: Parameters<typeof startRedisServer>[0],
    private server: RedisServer,
  ) {
    this.redis = new Redis(server.url, { maxRetriesPerRequest: null, retryStrategy: () => 50 });
    this.redis.on('error', () => {});
  }

  /** @param directory of its own, for Redis's file and the models @param binary of the Redis server */
  static async start(directory: string, binary: string, workers: number): Promise<ChaosPlatform> {
    const redisOptions = { binary, directory: join(directory, 'redis'), settings: REDIS_SETTINGS };
    const server = await startRedisServer(redisOptions);
    const port = await freePort();
    const env = {
      ...process.env,
      ...SETTINGS,
      REDIS_URL: server.url,
      PORT: String(port),
      MODELS_DIR: makeModels(directory),
    };
    const platform = new ChaosPlatform(port, env, { ...redisOptions, port: server.port }, server);
    for (let index = 0; index < workers; index++) platform.launch(workerPlace(index), 'worker');
    platform.launch('api', 'api');
    try {
      await Promise.all([...platform.running.values()].map(({ ready }) => ready));
    } catch (error) {
      await platform.stop();
      throw new Error(`${(error as Error).message}\n${platform.log}`);
    }
    return platform;
  }

  get api(): PlatformProcess {
    return this.process('api');
  }

  worker(index: number): PlatformProcess {
    return this.process(workerPlace(index));
  }

  /** All processes that run now. */
  get processes(): PlatformProcess[] {
    return [...this.running.values()];
  }

  /** @param signal SIGTERM lets it write and end, SIGKILL does not */
  restartRedis(signal: 'SIGTERM' | 'SIGKILL', downMs: number): Promise<void> {
    const restarted = this.endAndStartRedis(signal, downMs);
    this.redisRestart = restarted.catch(() => {});
    return restarted;
  }

  /** Ends everything that was started, those that sleep as well. Calling it again is harmless. */
  async stop(): Promise<void> {
    this.isStopping = true;
    await Promise.all([...this.running.values()].map(endProcess));
    this.redis.disconnect();
    await this.redisRestart;
    await this.server.stop();
  }

  private async endAndStartRedis(signal: 'SIGTERM' | 'SIGKILL', downMs: number): Promise<void> {
    this.server.process.kill(signal);
    // Does not signal what has ended; waits for what has not.
    await this.server.stop();
    await delay(downMs);
    if (!this.isStopping) this.server = await startRedisServer(this.redisOptions);
  }

  private process(place: string): PlatformProcess {
    return this.running.get(place) as PlatformProcess;
  }

  private launch(place: string, kind: ProcessKind): void {
    const launched = startProcess(kind, this.env, (text) => {
      this.log = (this.log + text).slice(-LOG_KEPT);
    });
    this.running.set(place, launched);
    launched.exited.then(async (code) => {
      if (this.isStopping) return;
      const how = `${kind} ${code}`;
      this.restarts[how] = (this.restarts[how] ?? 0) + 1;
      await delay(RESTART_MS);
      if (!this.isStopping) this.launch(place, kind);
    });
  }
}

function workerPlace(index: number): string {
  return `worker ${index}`;
}

async function endProcess(each: PlatformProcess): Promise<void> {
  each.child.kill('SIGCONT');
  const timer = setTimeout(() => each.child.kill('SIGKILL'), STOP_MS);
  await each.stop();
  clearTimeout(timer);
}

function makeModels(directory: string): string {
  const models = join(directory, 'models');
  cpSync(resolve('models/iris/1'), join(models, 'iris/1'), { recursive: true });
  writeSlowSampled(join(models, 'poison/1'), SAMPLE_SECONDS, 4);
  return models;
}
