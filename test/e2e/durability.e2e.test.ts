/** What docs/durability.md promises, line by line. DURABILITY_SUBMITS=100000 runs the first one at its full size. */
import { cpSync, mkdtempSync, readdirSync, rmSync, statSync, truncateSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type PlatformProcess, startProcess } from '@millrace/local/platform-process';
import { freePort, type RedisServer, startRedisServer } from '@millrace/local/redis-server';
import { CatalogPublisher } from '@millrace/queue/catalog-publisher';
import { Keys } from '@millrace/queue/keys';
import { Redis } from 'ioredis';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { irisDescriptor, irisRows, toNdjson } from '../fixtures/iris.js';
import { requireRedis } from '../fixtures/redis.js';
import { until } from '../fixtures/until.js';

const SUBMITS = Number(process.env.DURABILITY_SUBMITS ?? 1_000);
const CLIENTS = 32;
const KILLS = 3;
const ROW = JSON.stringify(irisRows(1));
const keys = new Keys('millrace');

let folder: string;
let port: number;
let redis: RedisServer;
let look: Redis;
let processes: PlatformProcess[];
let log: string;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'millrace-durability-'));
  port = await freePort();
  processes = [];
  log = '';
});
afterEach(async () => {
  await Promise.all(processes.map((each) => each.stop()));
  look.disconnect();
  await redis.stop();
  rmSync(folder, { recursive: true });
});

async function startRedis(appendfsync: string, directory = join(folder, 'redis')): Promise<void> {
  redis = await startRedisServer({ binary: requireRedis(), directory, port, settings: { appendfsync } });
}

async function killRedis(): Promise<void> {
  const exited = new Promise((resolve) => redis.process.once('exit', resolve));
  redis.process.kill('SIGKILL');
  await exited;
}

async function start(kind: 'api' | 'worker', settings: Record<string, string> = {}): Promise<string> {
  const fixed = { LOG_FORMAT: 'json', LOG_LEVEL: 'warn', REDIS_URL: redis.url, PORT: '0' };
  const started = startProcess(kind, { ...process.env, ...fixed, ...settings }, (text) => {
    log = (log + text).slice(-20_000);
  });
  processes.push(started);
  return `http://127.0.0.1:${(await started.ready).port}`;
}

async function submit(url: string, body: string, key?: string): Promise<string | undefined> {
  const response = await fetch(`${url}/batch-predict?model=iris`, {
    method: 'POST',
    headers: {
      'content-type': body.startsWith('[') ? 'application/json' : 'application/x-ndjson',
      ...(key === undefined ? {} : { 'idempotency-key': key }),
    },
    body,
  });
  const answer = (await response.json()) as { task_id: string };
  if (response.status === 202) return answer.task_id;
  // 409: the upload of the same key is not given up yet.
  if (response.status !== 503 && response.status !== 409) {
    throw new Error(`${response.status} ${JSON.stringify(answer)}\n${log}`);
  }
  return undefined;
}

describe('with appendfsync always', () => {
  it(`none of ${SUBMITS} acknowledged submits is missing after Redis was killed ${KILLS} times`, async () => {
    await startRedis('always');
    look = new Redis(redis.url);
    look.on('error', () => {});
    // Without a worker every task stays as it was accepted.
    const publisher = new CatalogPublisher(look, keys, 'no-worker');
    await publisher.beat({ served: [irisDescriptor(1e-6)], refused: [], aliases: {} }, Date.now());
    const url = await start('api');
    const acknowledged = new Set<string>();
    const client = async () => {
      while (acknowledged.size < SUBMITS) {
        acknowledged.add(await until(() => submit(url, ROW)));
      }
    };
    const kills = (async () => {
      for (let kill = 1; kill <= KILLS; kill++) {
        const due = (SUBMITS * kill) / (KILLS + 1);
        await until(() => acknowledged.size >= due);
        await killRedis();
        await startRedis('always');
      }
    })();
    await Promise.all([...Array.from({ length: CLIENTS }, client), kills]);
    const statuses = new Map<string | null, number>();
    for (const id of acknowledged) {
      const status = await look.hget(keys.task(id), 'status');
      statuses.set(status, (statuses.get(status) ?? 0) + 1);
    }
    expect(Object.fromEntries(statuses)).toEqual({ pending: acknowledged.size });
    const jobs = await look.zcard(`${keys.queuePrefix}:default:prioritized`);
    expect(jobs).toBeGreaterThanOrEqual(acknowledged.size);
  }, 900_000);
});

describe('an append-only file that is cut at a random byte', () => {
  const TASKS = 30;
  const CUTS = 3;
  const body = (task: number) => toNdjson(irisRows(1 + (task % 7)));

  it('has each acknowledged task finished or named as lost, and takes what is sent again', async () => {
    await startRedis('everysec');
    look = new Redis(redis.url);
    look.on('error', () => {});
    const url = await start('api', { UPLOAD_LEASE_MS: '500' });
    await start('worker', { WORKER_THREADS: '1', LOCK_MS: '500', REAP_INTERVAL_MS: '200' });
    const ids: string[] = [];
    for (let task = 0; task < TASKS; task++) {
      ids.push(await until(() => submit(url, body(task), `key-${task}`)));
    }
    await until(async () => (await finalAnswers(url, ids)).every(({ code }) => code === 'finished'));
    await killRedis();
    const whole = join(folder, 'redis');
    const seen = { finished: 0, task_lost: 0 };
    for (let cut = 0; cut < CUTS; cut++) {
      const directory = join(folder, `cut-${cut}`);
      cpSync(whole, directory, { recursive: true });
      // Evenly over the file, at any byte.
      cutFile(directory, (cut + Math.random()) / CUTS);
      await startRedis('everysec', directory);
      const answers = await until(async () => {
        const found = await finalAnswers(url, ids);
        return found.some(({ code }) => code === 'waiting') ? undefined : found;
      });
      for (const { code } of answers) seen[code as keyof typeof seen]++;
      expect(answers.filter(({ code }) => code !== 'finished' && code !== 'task_lost')).toEqual([]);
      // If the file says nothing of models any more, the worker does with its next heartbeat.
      await until(async () => (await fetch(`${url}/v1/models/iris`)).ok);
      // Sent again under its key, a task that is there is the same one, and a lost one is made anew.
      for (const [task, { code }] of answers.entries()) {
        const again = await until(() => submit(url, body(task), `key-${task}`));
        expect([code, again === ids[task]]).toEqual([code, code === 'finished']);
      }
      await killRedis();
    }
    expect(seen.finished).toBeGreaterThan(0);
    expect(seen.task_lost).toBeGreaterThan(0);
    await startRedis('everysec');
  });

  /** What the platform says of each task: `finished` with all of its rows, `waiting`, or the code of a refusal. */
  async function finalAnswers(url: string, ids: readonly string[]) {
    return Promise.all(
      ids.map(async (id, task) => {
        const response = await fetch(`${url}/batch-result/${id}`);
        const answer = (await response.json()) as { status: string; code: string; predictions?: unknown[] };
        if (response.status === 503) return { id, code: 'waiting' };
        if (response.status !== 200) return { id, code: answer.code };
        if (answer.status !== 'succeeded')
          return { id, code: answer.predictions === undefined ? 'waiting' : answer.status };
        expect(answer.predictions).toHaveLength(1 + (task % 7));
        return { id, code: 'finished' };
      }),
    );
  }
});

/** Cuts what Redis has appended since its start. @param share of the bytes that is left */
function cutFile(directory: string, share: number): void {
  const files = readdirSync(directory, { recursive: true, encoding: 'utf8' })
    .map((name) => join(directory, name))
    .filter((path) => /\.aof$/.test(path) && statSync(path).isFile());
  const path = files.find((name) => name.endsWith('.incr.aof')) ?? (files[0] as string);
  truncateSync(path, Math.floor(statSync(path).size * share));
}
