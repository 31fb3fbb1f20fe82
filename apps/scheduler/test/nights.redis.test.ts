/**
 * 400 nights by an injected clock, over both changes of the clocks, in four time zones and by every rule of catching up: five
 * schedulers tick at once, are restarted, and are cut off in the middle of a tick; the platform is away for nights at a time.
 */
import { connectForRequests, type RedisConnection } from '@millrace/queue/connection';
import type { Keys } from '@millrace/queue/keys';
import { watchOutages } from '@millrace/queue/outages';
import { AlarmStore } from '@millrace/queue/schedules/alarm-store';
import { RunStore } from '@millrace/queue/schedules/run-store';
import { ScheduleStore } from '@millrace/queue/schedules/schedule-store';
import { parseSchedule } from '@millrace/schedule/schedule';
import { expect, it } from 'vitest';
import {
  DAY,
  dayText,
  HOUR,
  MINUTE,
  SECOND,
  slowLocalTimes,
} from '../../../packages/schedule/test/wall-clock.js';
import { mulberry32 } from '../../../test/fixtures/mulberry32.js';
import { useRedis } from '../../../test/fixtures/redis.js';
import { Ticker } from '../dist/schedules/ticker.js';

const redis = useRedis({ appendonly: 'no' });
const PROCESSES = 5;
const NIGHTS = 400;
const FIRST = Date.parse('2026-03-01T00:00Z');
const ZONES = ['Europe/Berlin', 'America/New_York', 'Australia/Lord_Howe', 'Asia/Kolkata'];
const RULES = ['none', 'latest', 'all'] as const;
const START_DEADLINE = 600;
const random = mulberry32(7);
let now = FIRST;

/** A scheduler as far as ticks go, on a connection of its own. */
class Process {
  private readonly connection: RedisConnection;
  readonly schedules: ScheduleStore;
  readonly runs: RunStore;
  private readonly ticker: Ticker;
  readonly errors: unknown[] = [];

  constructor(keys: Keys) {
    this.connection = connectForRequests(redis.url);
    watchOutages(this.connection, { lost: () => {}, back: () => {} });
    const clock = () => now;
    this.schedules = new ScheduleStore(this.connection, keys, clock);
    this.runs = new RunStore(this.connection, keys, clock);
    this.ticker = new Ticker({
      schedules: this.schedules,
      runs: this.runs,
      alarms: new AlarmStore(this.connection, keys),
      queueRun: (schedule, logicalDate) => this.execute(schedule, logicalDate),
      cancelTask: async () => {},
      takeAlarm: async () => {},
      onRuns: () => {},
      onError: (error) => this.errors.push(error),
      now: clock,
    });
  }

  /** @param isCutOff it loses Redis on the way, and is never heard of again */
  async tick(isCutOff: boolean): Promise<void> {
    const ticked = this.ticker.tick();
    if (!isCutOff) return ticked;
    for (let turn = Math.floor(random() * 20); turn > 0; turn--) await new Promise(setImmediate);
    this.stop();
    await ticked.catch(() => {});
  }

  stop(): void {
    this.connection.disconnect();
  }

  /** Several take up the same run at once; the one whose attempt is the last ends it. */
  private async execute(schedule: string, logicalDate: string): Promise<void> {
    const run = await this.runs.start(schedule, logicalDate);
    if (typeof run === 'string') return;
    if (await this.runs.end(run, { status: 'succeeded', alarms: [] }))
      endings.push(`${schedule} ${logicalDate}`);
  }
}

/** Every run that was ended, each time. */
const endings: string[] = [];

/** The moments at which schedulers look: every few hours, with nights without any in between. */
function looks(until: number): number[] {
  const moments: number[] = [];
  for (let moment = FIRST; moment < until; ) {
    const isOutage = random() < 0.012;
    moment += Math.ceil(isOutage ? random() * 4 * DAY : random() * 8 * HOUR);
    moments.push(moment);
  }
  return moments;
}

/** What must come of each night, from the list of nights and of looks. */
function expected(zone: string, rule: (typeof RULES)[number], moments: readonly number[]): string[] {
  const isHalfPastTwo = (wall: number) => wall % DAY === 2 * HOUR + 30 * MINUTE;
  const nights = slowLocalTimes(zone, isHalfPastTwo, FIRST, FIRST + (NIGHTS - 1) * DAY, 30 * MINUTE)
    .filter(({ dueAt }) => dueAt > FIRST)
    .map(({ wallTime, dueAt }) => ({
      date: dayText(wallTime),
      dueAt,
      foundAt: moments.find((moment) => moment >= dueAt) as number,
    }));
  return nights.map(({ date, dueAt, foundAt }, at) => {
    const isOnTime = foundAt <= dueAt + START_DEADLINE * SECOND;
    const isLast = nights[at + 1]?.foundAt !== foundAt;
    const isRun = rule === 'all' || isOnTime || (rule === 'latest' && isLast);
    return `${date} ${isRun ? 'succeeded' : 'missed'}`;
  });
}

it(`${NIGHTS} nights: exactly the runs that must be, none twice, none left out`, {
  timeout: 120_000,
}, async () => {
  const keys = redis.freshKeys();
  const processes = Array.from({ length: PROCESSES }, () => new Process(keys));
  const cases = ZONES.flatMap((timezone) =>
    RULES.map((rule) => ({ timezone, rule, name: `${timezone}-${rule}`.toLowerCase().replaceAll('/', '-') })),
  );
  for (const { name, timezone, rule } of cases) {
    const definition = parseSchedule({
      name,
      model: 'iris',
      source: { kind: 'file', path: 'data/rows.csv' },
      sink: { kind: 'file', path: 'data/{logical_date}.csv' },
      cron: '30 2 * * *',
      timezone,
      catch_up: rule,
      overlap: 'queue',
      start_deadline: START_DEADLINE,
    });
    await (processes[0] as Process).schedules.put({ definition, client: 'anonymous' }, 'create');
  }
  const moments = looks(FIRST + (NIGHTS + 1) * DAY);
  for (const moment of moments) {
    now = moment;
    // One of them always comes through; runs that it makes are executed by whoever ticks next.
    const survivor = Math.floor(random() * PROCESSES);
    const ticks = processes.map((process, at) => {
      const isCutOff = at !== survivor && random() < 0.1;
      if (isCutOff) processes[at] = new Process(keys);
      return process.tick(isCutOff);
    });
    await Promise.all(ticks);
  }
  for (let round = 0; round < 5; round++) await (processes[0] as Process).tick(false);
  for (const { name, timezone, rule } of cases) {
    const runs = (await (processes[0] as Process).runs.page(name, 1_000)).runs.reverse();
    const found = runs.map(({ logicalDate, status }) => `${logicalDate} ${status}`);
    const wanted = expected(timezone, rule, moments);
    expect(found.slice(0, wanted.length), name).toEqual(wanted);
    // What comes after the last of these nights.
    expect(found.length - wanted.length, name).toBeLessThan(5);
  }
  expect(new Set(endings).size).toBe(endings.length);
  expect(processes.flatMap(({ errors }) => errors)).toEqual([]);
  for (const process of processes) process.stop();
});
