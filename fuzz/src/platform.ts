/** The platform that is fuzzed: Redis, one API and one worker as processes on loopback, with limits that are soon reached. */
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { type PlatformProcess, startProcess } from '@millrace/local/platform-process';
import { ensureRedisServer, type RedisServer, startRedisServer } from '@millrace/local/redis-server';
import { Redis } from 'ioredis';
import { until } from '../../test/fixtures/until.js';

const ROOT = fileURLToPath(new URL('../../../..', import.meta.url));
const CLIENTS = ['alice', 'bob'];
export const KEY_PREFIX = 'fuzz';
const SETTINGS = {
  LOG_FORMAT: 'json',
  KEY_PREFIX,
  PORT: '0',
  WORKER_PORT: '0',
  WORKER_THREADS: '1',
  MAX_JSON_BYTES: String(512 * 1024),
  MAX_BODY_BYTES: String(64 * 1024 * 1024),
  MAX_ROW_BYTES: String(64 * 1024),
  UPLOAD_IDLE_MS: '500',
  UPLOAD_LEASE_MS: '1000',
  RESULT_TTL_SECONDS: '20',
};

/** What a process holds. */
export interface Held {
  bytes: number;
  /** Undefined where the system does not say. */
  files: number | undefined;
}

export class Platform {
  /** Lines of the processes' logs that tell of errors. */
  readonly errors: string[] = [];
  private rest = '';

  private constructor(
    private readonly folder: string,
    private readonly server: RedisServer,
    readonly redis: Redis,
    private readonly processes: { name: string; process: PlatformProcess; port: number }[],
    /** Of clients; the first is whose tasks most are. */
    readonly keys: string[],
  ) {}

  /** @param models the model directory @param settings of the processes, besides @throws Error when something does not start */
  static async start(models: string, settings: Record<string, string> = {}): Promise<Platform> {
    const folder = await mkdtemp(join(tmpdir(), 'millrace-fuzz-'));
    const server = await startRedisServer({ binary: ensureRedisServer(console.error), directory: folder });
    const platform = new Platform(folder, server, new Redis(server.url), [], []);
    try {
      await platform.open({ ...settings, MODELS_DIR: models });
    } catch (error) {
      await platform.stop();
      throw error;
    }
    return platform;
  }

  get url(): string {
    return this.urlOf('api');
  }

  /** The names of processes that have ended. */
  get ended(): string[] {
    const isOver = ({ process: { child } }: (typeof this.processes)[number]) =>
      child.exitCode !== null || child.signalCode !== null;
    return this.processes.filter(isOver).map(({ name }) => name);
  }

  /** Memory and open files of each process, by its own metrics. */
  async held(): Promise<Map<string, Held>> {
    const found = new Map<string, Held>();
    for (const { name } of this.processes) {
      const text = await this.get(this.urlOf(name), '/metrics');
      const metric = (key: string) => new RegExp(`^${key} (\\S+)$`, 'm').exec(text)?.[1];
      const files = metric('process_open_fds');
      found.set(name, {
        bytes: Number(metric('process_resident_memory_bytes')),
        files: files === undefined ? undefined : Number(files),
      });
    }
    return found;
  }

  async get(url: string, path: string): Promise<string> {
    const response = await fetch(url + path, { headers: { authorization: `Bearer ${this.keys[0]}` } });
    return response.text();
  }

  async stop(): Promise<void> {
    await Promise.all(this.processes.map((each) => each.process.stop()));
    this.redis.disconnect();
    await this.server.stop();
    await rm(this.folder, { recursive: true });
  }

  /** Resolves when every model has been looked at, so that the document does not change any more. */
  private async open(settings: Record<string, string>): Promise<void> {
    const keyFile = join(this.folder, 'keys.json');
    const addresses = { REDIS_URL: this.server.url, API_KEYS_FILE: keyFile };
    const env = { ...process.env, ...SETTINGS, ...settings, ...addresses };
    for (const client of CLIENTS) {
      const create = [join(ROOT, 'apps/api/dist/keys-cli.js'), 'create', client];
      this.keys.push((await promisify(execFile)(process.execPath, create, { env })).stdout.trim());
    }
    for (const name of ['api', 'worker'] as const) {
      this.processes.push({ name, process: startProcess(name, env, (text) => this.hear(text)), port: 0 });
    }
    for (const each of this.processes) each.port = (await each.process.ready).port;
    await until(async () => (await fetch(`${this.url}/readyz`)).ok);
  }

  private urlOf(name: string): string {
    return `http://127.0.0.1:${this.processes.find((each) => each.name === name)?.port}`;
  }

  private hear(text: string): void {
    const lines = (this.rest + text).split('\n');
    this.rest = lines.pop() ?? '';
    this.errors.push(...lines.filter((line) => line.includes('"level":"error"') || !line.startsWith('{')));
  }
}
