/** Schedules on whole processes: runs by the clock while schedulers and workers are killed, and what they leave in their sinks. */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { PlatformProcess } from '@millrace/local/platform-process';
import { connectForWork, type RedisConnection } from '@millrace/queue/connection';
import { RunStore } from '@millrace/queue/schedules/run-store';
import { Webhook as Verifier } from 'standardwebhooks';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { type Received, receiver, useServers } from '../fixtures/http-server.js';
import { irisRows, toNdjson } from '../fixtures/iris.js';
import { kill, TestPlatform } from '../fixtures/platform.js';

const folder = mkdtempSync(join(tmpdir(), 'millrace-schedules-'));
const data = join(folder, 'data');
const SECRET = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';
const startServer = useServers();
/** One every two seconds or so; 60 take two minutes. */
const KILLS = Number(process.env.SCHEDULE_KILLS ?? 6);
const WAITING = { timeout: 50_000, interval: 50 };
const ROWS = 2_000;
let platform: TestPlatform;
let redis: RedisConnection;
let runs: RunStore;

const SETTINGS = {
  SCHEDULES_DIR: join(folder, 'schedules'),
  SCHEDULE_FILES: data,
  WORKER_THREADS: '1',
  LOCK_MS: '1000',
  TICK_MS: '200',
  REAP_INTERVAL_MS: '300',
  UPLOAD_LEASE_MS: '500',
  SCHEDULES_POLL_MS: '200',
};

beforeAll(async () => {
  for (const each of ['schedules', 'data', 'redis']) mkdirSync(join(folder, each));
  writeFileSync(join(data, 'rows.ndjson'), toNdjson(irisRows(ROWS)));
  platform = await TestPlatform.start(join(folder, 'redis'), 2, SETTINGS);
  const { port } = platform.look.options as { port: number };
  redis = connectForWork(`redis://127.0.0.1:${port}`);
  runs = new RunStore(redis, platform.keys);
});
afterAll(async () => {
  redis.disconnect();
  await platform.stop();
  rmSync(folder, { recursive: true });
});

function define(name: string, definition: Record<string, unknown>): void {
  const sink = { kind: 'file', path: join(data, `${name}/{logical_date}.ndjson`) };
  const source = { kind: 'file', path: join(data, 'rows.ndjson') };
  const whole = { name, model: 'iris', source, sink, ...definition };
  writeFileSync(join(folder, 'schedules', `${name}.json`), JSON.stringify(whole));
}

it('a run that fails is told to the webhook of its schedule', async () => {
  const received: Received[] = [];
  const { url } = await startServer(receiver(received, (_, response) => response.writeHead(204).end()));
  const connections = join(folder, 'connections.json');
  writeFileSync(connections, JSON.stringify({ oncall: { kind: 'webhook', url, secret: SECRET } }));
  const scheduler = platform.addScheduler({ CONNECTIONS_FILE: connections });
  await scheduler.ready;
  define('broken', {
    cron: '* * * * * *',
    source: { kind: 'file', path: join(data, 'nowhere-{logical_date}.csv') },
    alarms: { connection: 'oncall' },
  });
  await vi.waitFor(() => expect(received.length).toBeGreaterThan(0), WAITING);
  define('broken', { cron: '* * * * * *', enabled: false });
  const [{ body, headers }] = received as [Received];
  expect(new Verifier(SECRET).verify(body, headers as Record<string, string>)).toMatchObject({
    type: 'run.failed',
    data: { schedule: 'broken', details: { error: { code: 'source_not_found' } } },
  });
  await kill(scheduler, 'SIGTERM');
});

it('runs go on when the ticks are lost, whoever made them', async () => {
  const schedulers = [platform.addScheduler(), platform.addScheduler()];
  await Promise.all(schedulers.map(({ ready }) => ready));
  define('ticked', { cron: '* * * * * *' });
  await vi.waitFor(async () => expect(await ended('ticked')).toBeGreaterThan(0), WAITING);
  const ticker = (await redis.keys(`${platform.keys.scheduleQueuePrefix}:ticks:*`)).filter(
    (key) => !key.endsWith(':meta'),
  );
  expect(ticker.length).toBeGreaterThan(0);
  await redis.del(...ticker);
  const before = await ended('ticked');
  await vi.waitFor(async () => expect(await ended('ticked')).toBeGreaterThan(before + 2), WAITING);
  expect(platform.log).toContain('nobody has looked for runs that are due');
  define('ticked', { cron: '* * * * * *', enabled: false });
  await Promise.all(schedulers.map((each) => kill(each, 'SIGTERM')));
});

it('every date of a schedule of every two seconds is run once, though a scheduler or a worker is killed all the time', {
  timeout: 60_000 + KILLS * 10_000,
}, async () => {
  await Promise.all([platform.addScheduler().ready, platform.addScheduler().ready]);
  define('often', { cron: '*/2 * * * * *', catch_up: 'all', overlap: 'queue' });
  for (let killed = 0; killed < KILLS; killed++) {
    const before = await ended('often');
    const [victims, start] =
      killed % 2 === 0
        ? ([platform.schedulers, () => platform.addScheduler()] as const)
        : ([platform.workers, () => platform.addWorker()] as const);
    const alive = victims.filter(({ child }) => child.exitCode === null && child.signalCode === null);
    await kill(alive[killed % alive.length] as PlatformProcess, 'SIGKILL');
    await start().ready;
    await vi.waitFor(async () => expect(await ended('often')).toBeGreaterThan(before), WAITING);
  }
  define('often', { cron: '*/2 * * * * *', catch_up: 'all', overlap: 'queue', enabled: false });
  await vi.waitFor(async () => expect(await open('often')).toBe(0), WAITING);
  const made = (await runs.page('often', 1_000)).runs.reverse();
  const dates = made.map(({ logicalDate }) => Date.parse(logicalDate));
  expect(dates).toEqual(dates.map((_, at) => (dates[0] as number) + 2_000 * at));
  expect(new Set(made.map(({ status }) => status))).toEqual(new Set(['succeeded']));
  expect(readdirSync(join(data, 'often')).sort()).toEqual(
    made
      .flatMap(({ logicalDate }) => [`${logicalDate}.ndjson`, `${logicalDate}.ndjson.manifest.json`])
      .sort(),
  );
  for (const { logicalDate } of made) {
    const lines = readFileSync(join(data, 'often', `${logicalDate}.ndjson`), 'utf8')
      .trimEnd()
      .split('\n');
    expect(lines.map((line) => JSON.parse(line).row)).toEqual(Array.from({ length: ROWS }, (_, row) => row));
  }
});

async function ended(schedule: string): Promise<number> {
  return (await runs.page(schedule, 1_000)).runs.filter(({ finishedAt }) => finishedAt !== undefined).length;
}

async function open(schedule: string): Promise<number> {
  return (await runs.heads(schedule)).length;
}
