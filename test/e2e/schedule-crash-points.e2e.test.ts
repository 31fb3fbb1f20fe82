/**
 * Every command that a scheduler sends to Redis for a run, and what comes of the run when that very command is refused, done
 * though its reply is lost, or is the last thing that its process does. A command that is not in the list fails the test.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type PlatformProcess, startProcess } from '@millrace/local/platform-process';
import { Keys } from '@millrace/queue/keys';
import { RunStore } from '@millrace/queue/schedules/run-store';
import { ScheduleStore } from '@millrace/queue/schedules/schedule-store';
import { parseSchedule } from '@millrace/schedule/schedule';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { toNdjson } from '../fixtures/iris.js';
import { Lanes } from '../fixtures/lanes.js';
import { remainder, writeSlowSampled } from '../fixtures/poison-model.js';
import { FATES, ProxiedProcess } from '../fixtures/proxied-process.js';
import { useRedis } from '../fixtures/redis.js';

/** In the order of a run. */
const POINTS: readonly string[] = [
  'hmget schedule',
  'hgetall schedule',
  'advance',
  'headsOfRuns',
  'runs: bullmq addPrioritizedJob',
  'runs: bullmq moveToActive',
  'startRun',
  'noteRun',
  'addUnfinished',
  'create',
  'append',
  'bullmq addPrioritizedJob',
  'seal',
  'hgetall task',
  'hget chunks',
  'hmget out',
  'endRun',
  'runs: bullmq moveToFinished',
];
/** Sent besides: what locks, looks for stalled jobs and ticks, and what tidies up after a fate. */
const BESIDES = new Set([
  'smembers schedules',
  'removeSchedule',
  'pexpire schedules',
  'pexpire schedule',
  'set ticked',
  'get ticked',
  'set schedulers',
  'lrange outbox',
  'runs: bzpopmin bullmq',
  'runs: bullmq extendLocks',
  'runs: bullmq moveStalledJobsToWait',
  'runs: bullmq moveToDelayed',
  'runs: hset bullmq',
  'hset bullmq',
  'zscan unfinished',
  'abort',
  'renew',
  'discard',
  'zrem unfinished',
  'bullmq removeJob',
  'hmget task',
]);
const ELSEWHERE =
  /^(hello|info|client|select|ping|quit|subscribe|unsubscribe|scan|pttl|config)\b|^(ticks|alarms): |: client$|\b(model|models|worker|workers|aliases)$/;

const LANES = 4;
/** Samples of 4 ms in micro-batches of 4 make chunks of some 250 rows, and smaller ones on a slower machine. */
const SAMPLE_SECONDS = 0.004;
const MICRO_BATCH = 4;
/** Several chunks in whose order the rows do not repeat themselves. */
const ROWS = Array.from({ length: 1_000 }, (_, row) => 1 + (row % 251));
const WRITTEN = ROWS.map((x, row) => ({ row, prediction: remainder(x) }));
const LEAD_MS = 1_200;
const WAITING = { timeout: 40_000, interval: 50 };
const redis = useRedis({ appendonly: 'no' });
const folder = mkdtempSync(join(tmpdir(), 'millrace-schedule-points-'));
const data = join(folder, 'data');
const SETTINGS = {
  LOG_FORMAT: 'json',
  LOG_LEVEL: 'warn',
  WORKER_THREADS: '1',
  LOCK_MS: '500',
  TICK_MS: '100',
  UPLOAD_LEASE_MS: '400',
  REAP_INTERVAL_MS: '300',
  MODELS_DIR: join(folder, 'models'),
  SCHEDULES_DIR: join(folder, 'schedules'),
  SCHEDULE_FILES: data,
};
let lanes: Lanes<Lane>;
let reference: string;

/** One worker, and one scheduler with its own way to Redis. */
class Lane {
  readonly keys: Keys;
  private readonly schedules: ScheduleStore;
  private readonly runs: RunStore;
  private worker!: PlatformProcess;
  scheduler!: ProxiedProcess;
  private log = '';
  private cases = 0;

  constructor(private readonly name: string) {
    this.keys = new Keys(name);
    this.schedules = new ScheduleStore(redis.redis, this.keys);
    this.runs = new RunStore(redis.redis, this.keys);
  }

  async start(): Promise<void> {
    const hear = (text: string) => {
      this.log = (this.log + text).slice(-5_000);
    };
    const place = { KEY_PREFIX: this.keys.prefix, REDIS_URL: redis.url };
    this.worker = startProcess('worker', { ...process.env, ...SETTINGS, ...place }, hear);
    this.scheduler = await ProxiedProcess.start('scheduler', redis.server.port, this.keys, SETTINGS, hear);
    await this.worker.ready;
  }

  async stop(): Promise<void> {
    await Promise.all([this.worker.stop(), this.scheduler.stop()]);
  }

  /** A schedule that is due once, soon; resolves with what its run has written, when nothing of it is left to do. */
  async run(): Promise<string> {
    const name = `${this.name}-${this.cases++}`;
    const at = new Date(Date.now() + LEAD_MS);
    const cron = `${at.getUTCSeconds()} ${at.getUTCMinutes()} ${at.getUTCHours()} ${at.getUTCDate()} ${at.getUTCMonth() + 1} *`;
    const path = join(data, `${name}.ndjson`);
    const source = { kind: 'file', path: join(data, 'rows.ndjson') };
    const definition = parseSchedule({
      name,
      model: 'remainder',
      source,
      sink: { kind: 'file', path },
      cron,
    });
    await this.schedules.put({ definition, client: 'anonymous' }, 'create');
    await vi.waitFor(async () => {
      const { runs } = await this.runs.page(name, 10);
      expect(runs, this.log).toMatchObject([{ status: 'succeeded', trigger: 'schedule' }]);
    }, WAITING);
    await vi.waitFor(async () => expect(await this.leftovers(name)).toEqual([]), WAITING);
    const tasks = await this.tasksOf(name);
    expect(tasks.map(({ status }) => status)).toEqual(['succeeded']);
    expect(tasks[0]?.chunks).toBeGreaterThan(1);
    await this.schedules.remove(name, 'anonymous');
    return readFileSync(path, 'utf8');
  }

  /** What a run has left in Redis that somebody would still work on. */
  private async leftovers(name: string): Promise<string[]> {
    const open = (await redis.keysUnder(`${this.keys.scheduleBase(name)}open:`)) ?? [];
    const unfinished = await redis.redis.zrange(this.keys.unfinished(), 0, '-1');
    const jobs = [this.keys.queuePrefix, this.keys.scheduleQueuePrefix].map((prefix) =>
      redis.keysUnder(prefix),
    );
    const ofRuns = (await Promise.all(jobs)).flat().filter((key) => /\.\d+$/.test(key) || key.includes(name));
    return [...open, ...unfinished, ...ofRuns];
  }

  /** What the tasks have come to that were made for the run, those that came to nothing left out. */
  private async tasksOf(name: string): Promise<{ status: string; chunks: number }[]> {
    const keys = (await redis.keysUnder(`${this.keys.prefix}:{`)).filter((key) => key.endsWith(':task'));
    const tasks = await Promise.all(
      keys.map((key) => redis.redis.hmget(key, 'request_id', 'status', 'error_code', 'chunks')),
    );
    return tasks
      .filter(([id, , error]) => id?.startsWith(`${name}/`) && error === null)
      .map(([, status, , chunks]) => ({ status: String(status), chunks: Number(chunks) }));
  }
}

beforeAll(async () => {
  for (const each of ['schedules', 'data']) mkdirSync(join(folder, each));
  writeSlowSampled(join(folder, 'models/remainder/1'), SAMPLE_SECONDS, MICRO_BATCH);
  writeFileSync(join(data, 'rows.ndjson'), toNdjson(ROWS));
  lanes = new Lanes(Array.from({ length: LANES }, (_, index) => new Lane(`lane${index}`)));
  await Promise.all(lanes.all.map((lane) => lane.start()));
  // Every script is known to Redis afterwards, so that a command is done where it is named.
  reference = await (lanes.all[0] as Lane).run();
});
afterAll(async () => {
  await Promise.all(lanes.all.map((lane) => lane.stop()));
  rmSync(folder, { recursive: true });
});

it('the list is the list', () => {
  const { seen } = (lanes.all[0] as Lane).scheduler;
  const known = new Set([...POINTS, ...BESIDES]);
  const unknown = [...seen].filter((name) => !known.has(name) && !ELSEWHERE.test(name));
  expect(unknown, 'commands without a crash point').toEqual([]);
  expect(
    POINTS.filter((name) => !seen.has(name)),
    'crash points that nobody comes by',
  ).toEqual([]);
});

it('an undisturbed run has its result', () => {
  expect(reference).toBe(toNdjson(WRITTEN));
});

// From the last point on: what is refused there takes the longest, and would be waited for alone.
it.concurrent.each(POINTS.toReversed().flatMap((point) => FATES.map((fate) => [point, fate] as const)))(
  '%s, %s',
  async (point, fate) => {
    await lanes.with(async (lane) => {
      const struck = lane.scheduler.arm(point, fate);
      const written = await lane.run();
      await struck;
      expect(written === reference).toBe(true);
    });
  },
);
