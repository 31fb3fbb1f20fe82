import { type Alarm, type Delivery, newAlarm } from '@millrace/queue/schedules/alarm';
import { SchedulerBeat } from '@millrace/queue/schedules/scheduler-beat';
import { describe, expect, it } from 'vitest';
import { useRedis } from '../../../../test/fixtures/redis.js';
import { advance, begin, dates, due, NAME, NOW, putSchedule, runNow, useStores } from './stores.js';

const redis = useRedis();
const stores = useStores(redis, putSchedule);

const alarmOf = (message: string): Alarm =>
  newAlarm({ type: 'run.missed', schedule: NAME, logical_date: '2027-01-15', message, details: {} }, NOW);
const raise = async (...messages: string[]) => {
  const schedule = await stores.schedules.read(NAME);
  if (schedule === undefined) throw new Error('the schedule is gone');
  await stores.runs.advance(schedule, { at: NOW }, [], messages.map(alarmOf));
};
const drain = async () => {
  const messages: string[] = [];
  await stores.alarms.drain(NAME, async ({ message }) => void messages.push(message));
  return messages;
};

describe('an alarm', () => {
  it('is handed over in its turn, and forgotten then', async () => {
    await raise('a', 'b "quoted"\n');
    await raise('c');
    expect(await drain()).toEqual(['a', 'b "quoted"\n', 'c']);
    expect(await drain()).toEqual([]);
  });

  it('is kept when it could not be taken', async () => {
    await raise('a', 'b');
    const failing = stores.alarms.drain(NAME, async ({ message }) => {
      if (message === 'b') throw new Error('no');
    });
    await expect(failing).rejects.toThrow('no');
    expect(await drain()).toEqual(['b']);
  });

  it('waits with a thousand others at most, the oldest of which go', async () => {
    await raise(...Array.from({ length: 1_005 }, (_, index) => `${index}`));
    const all: string[] = [];
    for (let some = await drain(); some.length > 0; some = await drain()) all.push(...some);
    expect([all.length, all[0], all.at(-1)]).toEqual([1_000, '5', '1004']);
  });
});

describe('the log of deliveries', () => {
  const deliveryOf = (attempt: number): Delivery => ({
    alarm: 'id',
    type: 'run.failed',
    logical_date: '2027-01-15',
    at: new Date(NOW).toISOString(),
    attempt,
    connection: 'oncall',
    outcome: 'failed',
    status: 500,
    reason: 'status 500',
  });

  it('has the last 200, the latest first', async () => {
    for (let attempt = 1; attempt <= 203; attempt++) await stores.alarms.log(NAME, deliveryOf(attempt));
    const found = await stores.alarms.deliveries(NAME);
    expect(found).toHaveLength(200);
    expect([found[0], found.at(-1)]).toEqual([deliveryOf(203), deliveryOf(4)]);
    expect(await stores.alarms.deliveries('another')).toEqual([]);
  });
});

describe('the beat of a scheduler', () => {
  it('is heard while one lives', async () => {
    const beat = new SchedulerBeat(stores.connection, stores.keys);
    expect(await beat.isHeard()).toBe(false);
    await beat.beat();
    expect(await beat.isHeard()).toBe(true);
    await stores.connection.pexpire(stores.keys.schedulers(), 1);
    await expect.poll(() => beat.isHeard()).toBe(false);
  });
});

it('every key has a lifetime, at every step', async () => {
  const { runs, keys, schedules, alarms, connection } = stores;
  const day = 86_400_000;
  const lifetimes = async () => {
    const all = await redis.keysUnder(keys.prefix);
    const found = await Promise.all(all.map(async (key) => [key, await connection.pttl(key)] as const));
    return Object.fromEntries(found.map(([key, ttl]) => [key, Math.ceil(ttl / day)]));
  };
  const base = keys.scheduleBase(NAME);
  const open = 400;
  const ended = 90;
  const dateOf = (at: number) => dates(1, at)[0]?.logicalDate ?? '';
  const schedule = await putSchedule(stores);
  await advance(stores, due(1));
  await runs.add(schedule, dates(1, 1), 'backfill', 1, 'never');
  await runs.add(schedule, dates(1, 2), 'manual', 1, 'never');
  await advance(stores, due(1, 3, { status: 'missed' }));
  await advance(stores, due(1, 4));
  const lasting = {
    [keys.schedules()]: open,
    [`${base}schedule`]: open,
    [`${base}runs`]: open,
    [`${base}definitions`]: open,
  };
  expect(await lifetimes()).toEqual({
    ...lasting,
    [`${base}open:schedule`]: open,
    [`${base}open:backfill`]: open,
    [`${base}open:manual`]: open,
    [`${base}run:${dateOf(0)}`]: open,
    [`${base}run:${dateOf(1)}`]: open,
    [`${base}run:${dateOf(2)}`]: open,
    [`${base}run:${dateOf(3)}`]: ended,
    [`${base}run:${dateOf(4)}`]: ended,
  });
  const first = await begin(stores, dateOf(0));
  await runs.note(first, { taskId: 't', model: 'iris@1', writtenRows: 1 });
  await runs.late(NAME, dateOf(1), alarmOf('late'));
  await runs.cancel(NAME, dateOf(1), 'request');
  await runs.cancel(NAME, dateOf(0), 'request');
  await runs.end(first, { status: 'cancelled', alarms: [alarmOf('a')] });
  await runs.add(schedule, dates(1, 3), 'manual', 1, 'unsuccessful');
  await alarms.log(NAME, {
    alarm: 'id',
    type: 'run.failed',
    logical_date: dateOf(0),
    at: new Date(NOW).toISOString(),
    attempt: 1,
    connection: 'oncall',
    outcome: 'delivered',
  });
  await new SchedulerBeat(connection, keys).beat();
  const after = {
    ...lasting,
    [`${base}open:manual`]: open,
    [`${base}outbox`]: ended,
    [`${base}deliveries`]: ended,
    [`${base}run:${dateOf(0)}`]: ended,
    [`${base}run:${dateOf(1)}`]: ended,
    [`${base}run:${dateOf(2)}`]: open,
    [`${base}run:${dateOf(3)}`]: open,
    [`${base}run:${dateOf(4)}`]: ended,
    [keys.schedulers()]: 1,
  };
  expect(await lifetimes()).toEqual(after);
  for (const key of [keys.schedules(), `${base}schedule`, `${base}open:manual`])
    await connection.pexpire(key, day);
  await schedules.renew([NAME]);
  await runs.heads(NAME);
  expect(await lifetimes()).toEqual(after);
  await schedules.remove(NAME, 'alice');
  const { [`${base}schedule`]: _, ...left } = after;
  expect(await lifetimes()).toEqual(left);
});

it('a definition is kept once for all runs that were made with it, and for no others for ever', async () => {
  const { connection, keys, runs } = stores;
  const base = keys.scheduleBase(NAME);
  const definitions = () => connection.hlen(`${base}definitions`);
  const metadata = { text: 'x'.repeat(2_000) };
  const schedule = await putSchedule(stores, { metadata });
  await runs.add(schedule, dates(100), 'backfill', 1, 'never');
  expect(await definitions()).toBe(1);
  expect(await runNow(stores, dates(1)[0]?.logicalDate ?? '')).toMatchObject({ definition: { metadata } });
  for (let version = 0; version < 60; version++) {
    const other = await putSchedule(stores, { metadata: { version } });
    await runs.add(other, dates(1, 200), 'manual', 1, 'never');
    await runs.cancel(NAME, dates(1, 200)[0]?.logicalDate ?? '', 'request');
    await runs.add(other, dates(1, 200), 'manual', 1, 'always');
    await runs.cancel(NAME, dates(1, 200)[0]?.logicalDate ?? '', 'request');
  }
  expect(await definitions()).toBeLessThanOrEqual(52);
  expect(await runNow(stores, dates(1)[0]?.logicalDate ?? '')).toMatchObject({ definition: { metadata } });
});
