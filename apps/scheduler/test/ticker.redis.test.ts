/** What a tick does beside making runs: it queues, cancels, tells of what is late, and sees removed schedules to their end. */
import { connectForRequests, type RedisConnection } from '@millrace/queue/connection';
import type { Keys } from '@millrace/queue/keys';
import type { Alarm } from '@millrace/queue/schedules/alarm';
import { AlarmStore } from '@millrace/queue/schedules/alarm-store';
import type { RecordedRun } from '@millrace/queue/schedules/run-record';
import { RunStore } from '@millrace/queue/schedules/run-store';
import { ScheduleStore } from '@millrace/queue/schedules/schedule-store';
import { parseSchedule } from '@millrace/schedule/schedule';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { useRedis } from '../../../test/fixtures/redis.js';
import { Ticker } from '../dist/schedules/ticker.js';

const redis = useRedis({ appendonly: 'no' });
const NAME = 'nightly';
const DUE = Date.parse('2026-11-20T02:30:00Z');
const DAY = 86_400_000;
let connection: RedisConnection;
let keys: Keys;
let now: number;
let schedules: ScheduleStore;
let runs: RunStore;
let ticker: Ticker;
let queued: string[];
let cancelled: string[];
let alarms: Alarm[];
let made: { logicalDate: string; status: string }[];

beforeAll(async () => {
  connection = connectForRequests(redis.url);
  await connection.connect();
});
afterAll(() => connection.disconnect());
beforeEach(() => {
  keys = redis.freshKeys();
  now = DUE - DAY / 2;
  [queued, cancelled, alarms, made] = [[], [], [], []];
  const clock = () => now;
  schedules = new ScheduleStore(connection, keys, clock);
  runs = new RunStore(connection, keys, clock);
  ticker = new Ticker({
    schedules,
    runs,
    alarms: new AlarmStore(connection, keys),
    queueRun: async (schedule, logicalDate) => void queued.push(`${schedule} ${logicalDate}`),
    cancelTask: async (id) => void cancelled.push(id),
    takeAlarm: async (alarm) => void alarms.push(alarm),
    onRuns: (_, due, statuses) =>
      made.push(...due.map((each, at) => ({ ...each, status: statuses[at] ?? '' }))),
    onError: (error) => {
      throw error;
    },
    now: clock,
  });
});

async function define(members: Record<string, unknown> = {}): Promise<void> {
  const definition = parseSchedule({
    name: NAME,
    model: 'iris',
    source: { kind: 'file', path: 'data/rows.csv' },
    sink: { kind: 'file', path: 'data/{logical_date}.csv' },
    cron: '30 2 * * *',
    ...members,
  });
  await schedules.put({ definition, client: 'anonymous' }, 'replace');
}

async function tickAt(time: number): Promise<void> {
  now = time;
  await ticker.tick();
}

async function begin(date: string): Promise<RecordedRun> {
  return (await runs.start(NAME, date)) as RecordedRun;
}

it('queues a run until it has ended: its job may be lost', async () => {
  await define();
  await tickAt(DUE - 1);
  expect(queued).toEqual([]);
  await tickAt(DUE);
  const run = await begin('2026-11-20');
  await tickAt(DUE + 1_000);
  expect(queued).toEqual(['nightly 2026-11-20', 'nightly 2026-11-20']);
  await runs.end(run, { status: 'succeeded', alarms: [] });
  await tickAt(DUE + 2_000);
  expect(queued).toHaveLength(2);
});

it('tells once of a run that does not begin', async () => {
  await define({ start_deadline: 600, alarms: { connection: 'oncall' } });
  await tickAt(DUE);
  await tickAt(DUE + 600_000);
  expect(alarms).toEqual([]);
  await tickAt(DUE + 600_001);
  await tickAt(DUE + 700_000);
  expect(alarms).toMatchObject([{ type: 'run.late', logical_date: '2026-11-20', connection: 'oncall' }]);
  expect(await runs.read(NAME, '2026-11-20')).toMatchObject({ status: 'waiting' });
});

it('does not call late what was asked for later', async () => {
  await define();
  const schedule = await schedules.read(NAME);
  const date = { logicalDate: '2026-11-01', dueAt: DUE - 19 * DAY };
  if (schedule !== undefined) await runs.add(schedule, [date], 'backfill', 1, 'never');
  await tickAt(now);
  expect(queued).toEqual(['nightly 2026-11-01']);
  expect(alarms).toEqual([]);
});

it('tells of all that was missed at once', async () => {
  await define({ catch_up: 'none' });
  await tickAt(DUE + 3 * DAY - 1);
  expect(alarms).toMatchObject([
    { type: 'run.missed', details: { count: 3, first: '2026-11-20', last: '2026-11-22' } },
  ]);
  expect(queued).toEqual([]);
});

it('makes up for hundreds of dates, none of which the next ones skip or cancel', async () => {
  await define({ cron: '0 * * * *', catch_up: 'all', overlap: 'cancel_previous' });
  await tickAt(now + 501 * 3_600_000);
  const { runs: all } = await runs.page(NAME, 1_000);
  expect(new Set(all.map(({ status }) => status))).toEqual(new Set(['waiting']));
  expect(all).toHaveLength(501);
});

it('does not skip the night that it has found late', async () => {
  await define({ catch_up: 'latest', overlap: 'skip' });
  await tickAt(DUE);
  await begin('2026-11-20');
  await tickAt(DUE + DAY + 3_600_000);
  expect(await runs.read(NAME, '2026-11-21')).toMatchObject({ status: 'waiting', trigger: 'catch_up' });
  await tickAt(DUE + 2 * DAY);
  expect(await runs.read(NAME, '2026-11-22')).toMatchObject({ status: 'skipped', trigger: 'schedule' });
  expect(made.map(({ status }) => status)).toEqual(['waiting', 'waiting', 'skipped']);
});

it('ends the task of a run that makes way for the next one', async () => {
  await define({ overlap: 'cancel_previous' });
  await tickAt(DUE);
  await runs.note(await begin('2026-11-20'), { taskId: 'task-1' });
  await tickAt(DUE + DAY);
  expect(cancelled).toEqual(['task-1']);
  expect(await runs.start(NAME, '2026-11-21')).toBe('wait');
});

it('sees a schedule that was removed to the end of its last run', async () => {
  await define();
  await tickAt(DUE);
  const run = await begin('2026-11-20');
  await schedules.remove(NAME, 'anonymous');
  await tickAt(DUE + 1_000);
  expect(queued).toEqual(['nightly 2026-11-20', 'nightly 2026-11-20']);
  await runs.end(run, { status: 'failed', alarms: [] });
  await tickAt(DUE + 2_000);
  expect(await schedules.names()).toEqual([]);
  expect(queued).toHaveLength(2);
});

it('makes no run while a schedule is paused, nor afterwards for what passed meanwhile', async () => {
  await define();
  await define({ enabled: false });
  await tickAt(DUE);
  await define({ enabled: true });
  await tickAt(DUE + 1_000);
  expect(queued).toEqual([]);
  await tickAt(DUE + DAY);
  expect(queued).toEqual(['nightly 2026-11-21']);
});
