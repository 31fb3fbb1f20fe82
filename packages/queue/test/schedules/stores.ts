/** The stores of schedules and runs on keys of their own, with a clock that stands still, and a schedule in them. */
import { connectForRequests, type RedisConnection } from '@millrace/queue/connection';
import type { Keys } from '@millrace/queue/keys';
import { AlarmStore } from '@millrace/queue/schedules/alarm-store';
import type { RecordedRun, RecordedSchedule } from '@millrace/queue/schedules/run-record';
import { type DueRun, type RunDate, RunStore } from '@millrace/queue/schedules/run-store';
import { readWatermark, ScheduleStore } from '@millrace/queue/schedules/schedule-store';
import { parseSchedule, type Schedule } from '@millrace/schedule/schedule';
import { afterAll, beforeAll, beforeEach } from 'vitest';
import type { RedisFixture } from '../../../../test/fixtures/redis.js';

const DAY_MS = 86_400_000;
/** 2027-01-15T08:00:00Z. */
export const NOW = 1_800_000_000_000;
export const NAME = 'nightly';
export const CLIENT = 'alice';

export interface Stores {
  connection: RedisConnection;
  keys: Keys;
  schedules: ScheduleStore;
  runs: RunStore;
  alarms: AlarmStore;
  /** By which the stores tell the time; may be changed. */
  clock: { now: number };
  /** Goes on under keys that nobody else has used. */
  renew(): void;
}

/**
 * To be called at the top of a test file; makes stores under keys that nobody else uses before each test.
 * @param prepare what every test finds in them
 */
export function useStores(
  redis: RedisFixture,
  prepare: (stores: Stores) => Promise<unknown> = async () => {},
): Stores {
  const stores = {
    renew() {
      const { connection } = stores;
      const keys = redis.freshKeys();
      const clock = { now: NOW };
      const now = () => clock.now;
      const schedules = new ScheduleStore(connection, keys, now);
      const runs = new RunStore(connection, keys, now);
      Object.assign(stores, { keys, clock, schedules, runs, alarms: new AlarmStore(connection, keys) });
    },
  } as Stores;
  beforeAll(async () => {
    stores.connection = connectForRequests(redis.url);
    await stores.connection.connect();
  });
  afterAll(() => stores.connection.disconnect());
  beforeEach(async () => {
    stores.renew();
    await prepare(stores);
  });
  return stores;
}

export function definitionOf(change: Partial<Schedule> = {}): Schedule {
  return parseSchedule({
    name: NAME,
    model: 'iris',
    source: { kind: 'file', path: 'in/{logical_date}.csv' },
    sink: { kind: 'file', path: 'out/{logical_date}.ndjson' },
    cron: '30 2 * * *',
    client: CLIENT,
    ...change,
  });
}

/** Records the schedule and reads it. */
export async function putSchedule(stores: Stores, change: Partial<Schedule> = {}): Promise<RecordedSchedule> {
  const definition = definitionOf(change);
  await stores.schedules.put({ definition, client: definition.client }, 'replace');
  return scheduleNow(stores, definition.name);
}

export async function scheduleNow({ schedules }: Stores, name = NAME): Promise<RecordedSchedule> {
  const found = await schedules.read(name);
  if (found === undefined) throw new Error('the schedule is gone');
  return found;
}

export async function runNow({ runs }: Stores, logicalDate: string): Promise<RecordedRun> {
  const found = await runs.read(NAME, logicalDate);
  if (found === undefined) throw new Error(`the run ${logicalDate} is gone`);
  return found;
}

/** Dates of days on end, so many days after `NOW` from the first on. */
export function dates(count: number, firstDay = 0): RunDate[] {
  return Array.from({ length: count }, (_, index) => {
    const dueAt = NOW + (firstDay + index) * DAY_MS;
    return { logicalDate: new Date(dueAt).toISOString().slice(0, 10), dueAt };
  });
}

/** The same as dates that the clock has brought. */
export function due(count: number, firstDay = 0, change: Partial<DueRun> = {}): DueRun[] {
  return dates(count, firstDay).map((date) => ({
    ...date,
    status: 'waiting',
    trigger: 'schedule',
    ...change,
  }));
}

/** Makes the runs of these dates as the ticker does: from the watermark up to the last of them. */
export async function advance(stores: Stores, runs: readonly DueRun[]): Promise<boolean> {
  const schedule = await scheduleNow(stores);
  const at = runs.at(-1)?.dueAt ?? readWatermark(schedule.watermark).at;
  return (await stores.runs.advance(schedule, { at }, runs, [])) !== undefined;
}

/** Begins a run that may begin. */
export async function begin({ runs }: Stores, logicalDate: string): Promise<RecordedRun> {
  const run = await runs.start(NAME, logicalDate);
  if (typeof run === 'string') throw new Error(`the run ${logicalDate}: ${run}`);
  return run;
}

export async function statuses({ runs }: Stores): Promise<Record<string, string>> {
  const page = await runs.page(NAME, 5_000);
  return Object.fromEntries(page.runs.map(({ logicalDate, status }) => [logicalDate, status]).reverse());
}
