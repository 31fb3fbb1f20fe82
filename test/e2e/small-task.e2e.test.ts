/** What a small task costs in commands to Redis, and in waits for them: each is a part of its latency, and of what a core does in a second. */
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { commandName } from '../fixtures/command-names.js';
import { TestPlatform } from '../fixtures/platform.js';
import { useRedis } from '../fixtures/redis.js';
import { type RedisProxy, startRedisProxy } from '../fixtures/redis-proxy.js';

const TEN_ROWS = JSON.stringify(new Array(10).fill([5.1, 3.5, 1.4, 0.2]));
/** Of the API and the worker together, each with the waits after which it is over. ARCHITECTURE.md has the same table. */
const COMMANDS = {
  addUnfinished: 1,
  createWhole: 1,
  'bullmq addPrioritizedJob': 2,
  'bullmq moveToActive': 3,
  begin: 4,
  commit: 5,
  'hgetall task': 6,
  'hget chunks': 7,
  'hmget out': 7,
  'bullmq moveToFinished': 6,
  addResults: 6,
  'zrem unfinished': 7,
};
/** By what it wakes the other process with. */
const NEWS = { api: 'commit', worker: 'bullmq addPrioritizedJob' } as const;
type Name = keyof typeof COMMANDS;
type Side = keyof typeof NEWS;

interface Found {
  name: string;
  waits: number;
  words: readonly string[];
}

const redis = useRedis({ appendonly: 'no' });
const proxies = {} as Record<Side, RedisProxy>;
let platform: TestPlatform;

beforeAll(async () => {
  for (const side of ['api', 'worker'] as const) proxies[side] = await startRedisProxy(redis.server.port);
  platform = await TestPlatform.on(proxies.api.url, 0);
  await platform.addWorker({ REDIS_URL: proxies.worker.url, WORKER_THREADS: '1' }).ready;
  const { task_id: id } = await predict();
  // Until the worker is done with it, which goes on after the answer.
  await vi.waitFor(async () => {
    const jobs = (await redis.keysUnder(platform.keys.queuePrefix)).filter((key) => key.includes(id));
    const unfinished = await redis.redis.zscore(platform.keys.unfinished(), id);
    expect([jobs, unfinished]).toEqual([[], null]);
  });
});
afterAll(async () => {
  await platform.stop();
  await Promise.all(Object.values(proxies).map((proxy) => proxy.stop()));
});

async function predict(): Promise<{ task_id: string; predictions: number[] }> {
  const response = await fetch(`${platform.url}/batch-predict?model=iris`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', prefer: 'wait=30' },
    body: TEN_ROWS,
  });
  expect(response.status).toBe(200);
  return JSON.parse(await response.text());
}

/**
 * The waits of a task. A command is one wait later than the latest whose reply its process has had, or of which it has been
 * woken: which of two processes is told of something first is of no account.
 */
class Waits {
  private readonly found: Found[] = [];
  private readonly known: Record<Side, number> = { api: 0, worker: 0 };
  private readonly sent = new Map<readonly string[], number>();

  listen(side: Side): void {
    proxies[side].decide = (words) => {
      const name = commandName(words, platform.keys);
      if (name in COMMANDS && !this.isFurtherLook(name)) {
        const waits = this.known[side] + 1;
        this.found.push({ name, waits, words });
        this.sent.set(words, waits);
      }
      return { kind: 'pass' };
    };
    proxies[side].hear = (words) => {
      // What nobody has asked for is an event; what takes a job from the queue has waited for one.
      const isNews = words === undefined || commandName(words, platform.keys) === 'bzpopmin bullmq';
      const waits = isNews ? this.waitsOf(NEWS[side]) : this.sent.get(words);
      this.known[side] = Math.max(this.known[side], waits ?? 0);
    };
  }

  /** Who has found something in the queue looks for more at once, as does who has nothing to do. */
  private isFurtherLook(name: string): boolean {
    const isOver =
      this.waitsOf(NEWS.worker) === undefined || this.waitsOf('bullmq moveToActive') !== undefined;
    return name === 'bullmq moveToActive' && isOver;
  }

  /** A look into the queue names no task. */
  ofTask(id: string): Found[] {
    return this.found.filter(
      ({ name, words }) => name === 'bullmq moveToActive' || words.some((word) => word.includes(id)),
    );
  }

  private waitsOf(name: Name): number | undefined {
    return this.found.find((each) => each.name === name)?.waits;
  }
}

it('is twelve commands, and seven waits before it is answered', async () => {
  const waits = new Waits();
  waits.listen('api');
  waits.listen('worker');
  const { task_id: id, predictions } = await predict();
  expect(predictions).toEqual(new Array(10).fill(0));
  // Some of it goes on once the client has its answer.
  await vi.waitFor(() =>
    expect(waits.ofTask(id).length).toBeGreaterThanOrEqual(Object.keys(COMMANDS).length),
  );
  const found = waits.ofTask(id).map(({ name, waits: after }) => [name, after] as const);
  expect(found.map(([name]) => name).sort()).toEqual(Object.keys(COMMANDS).sort());
  expect(Object.fromEntries(found)).toEqual(COMMANDS);
});
