import { newAlarm } from '@millrace/queue/schedules/alarm';
import type { RecordedRun } from '@millrace/queue/schedules/run-record';
import { describe, expect, it } from 'vitest';
import { useRedis } from '../../../../test/fixtures/redis.js';
import { advance, begin, dates, due, NAME, NOW, putSchedule, runNow, useStores } from './stores.js';

const redis = useRedis();
const stores = useStores(redis, async (fresh) => {
  await putSchedule(fresh);
  await advance(fresh, due(1));
});

const [DATE = ''] = dates(1).map(({ logicalDate }) => logicalDate);
const LEDGER = {
  total: 3,
  pending: 0,
  running: 0,
  succeeded: 2,
  invalid: 1,
  failed: 0,
  cancelled: 0,
  expired: 0,
};
const alarmOf = (message: string) =>
  newAlarm({ type: 'run.failed', schedule: NAME, logical_date: DATE, message, details: {} }, NOW);

async function heard(): Promise<string[]> {
  const messages: string[] = [];
  await stores.alarms.drain(NAME, async ({ message }) => void messages.push(message));
  return messages;
}

describe('an attempt', () => {
  it('begins the run, and another one goes on with it', async () => {
    stores.clock.now += 1_000;
    expect(await begin(stores, DATE)).toMatchObject({
      attempt: 1,
      status: 'running',
      startedAt: NOW + 1_000,
    });
    stores.clock.now += 1_000;
    expect(await begin(stores, DATE)).toMatchObject({
      attempt: 2,
      status: 'running',
      startedAt: NOW + 1_000,
    });
  });

  it('notes how far it has come, for the next one to go on', async () => {
    const first = await begin(stores, DATE);
    expect(await stores.runs.note(first, { taskId: 't1', model: 'iris@1' })).toBe('ok');
    expect((await begin(stores, DATE)).isAccepted).toBe(false);
    const third = await begin(stores, DATE);
    expect(await stores.runs.note(third, { acceptedTask: 't1', writtenRows: 7 })).toBe('ok');
    expect(await begin(stores, DATE)).toMatchObject({
      taskId: 't1',
      model: 'iris@1',
      isAccepted: true,
      writtenRows: 7,
      attempt: 4,
    });
  });

  it('that was overtaken changes nothing any more', async () => {
    const first = await begin(stores, DATE);
    const second = await begin(stores, DATE);
    expect(await stores.runs.note(first, { taskId: 'of the first' })).toBe('lost');
    expect(await stores.runs.end(first, { status: 'failed', alarms: [alarmOf('of the first')] })).toBe(false);
    expect(await runNow(stores, DATE)).toMatchObject({ status: 'running', attempt: 2 });
    expect(await runNow(stores, DATE)).not.toHaveProperty('taskId');
    expect(await stores.runs.end(second, { status: 'succeeded', alarms: [] })).toBe(true);
    expect(await heard()).toEqual([]);
  });

  it('ends the run once, with what has come of it', async () => {
    const run = await begin(stores, DATE);
    stores.clock.now += 5_000;
    const written = { location: 'out/a.ndjson', rows: 2, bytes: 40, sha256: 'ab' };
    const error = { code: 'sink_refused', message: 'no' };
    const end = {
      status: 'failed' as const,
      ledger: LEDGER,
      written,
      error,
      alarms: [alarmOf('a'), alarmOf('b')],
    };
    expect(await stores.runs.end(run, end)).toBe(true);
    expect(await stores.runs.end(run, { ...end, status: 'succeeded' })).toBe(false);
    expect(await stores.runs.note(run, {})).toBe('lost');
    expect(await stores.runs.start(NAME, DATE)).toBe('ended');
    expect(await runNow(stores, DATE)).toMatchObject({
      status: 'failed',
      finishedAt: NOW + 5_000,
      ledger: LEDGER,
      written,
      error,
    });
    expect(await stores.runs.heads(NAME)).toEqual([]);
    expect(await heard()).toEqual(['a', 'b']);
  });

  it('of no run is none', async () => {
    expect(await stores.runs.start(NAME, '2000-01-01')).toBe('gone');
    expect(await stores.runs.note({ ...(await runNow(stores, DATE)), logicalDate: '2000-01-01' }, {})).toBe(
      'lost',
    );
    expect(await stores.runs.read(NAME, '2000-01-01')).toBeUndefined();
  });
});

describe('cancelling', () => {
  const cancel = (reason: string) => stores.runs.cancel(NAME, DATE, reason);

  it('ends a run that waits', async () => {
    expect(await cancel('request')).toBe(true);
    expect(await runNow(stores, DATE)).toMatchObject({ status: 'cancelled', finishedAt: NOW });
    expect(await stores.runs.start(NAME, DATE)).toBe('ended');
  });

  it('is told to the attempt that makes the run, and to every later one', async () => {
    const first = await begin(stores, DATE);
    expect(await cancel('request')).toBe(true);
    expect(await cancel('again')).toBe(true);
    expect(await runNow(stores, DATE)).toMatchObject({ status: 'running', cancel: 'request' });
    expect(await stores.runs.note(first, { writtenRows: 1 })).toBe('cancelled');
    const second = await begin(stores, DATE);
    expect(second.cancel).toBe('request');
    expect(await stores.runs.note(second, {})).toBe('cancelled');
    expect(await stores.runs.end(second, { status: 'cancelled', alarms: [] })).toBe(true);
  });

  it('changes nothing of what has ended, and nothing of what is not there', async () => {
    const run = await begin(stores, DATE);
    await stores.runs.end(run, { status: 'succeeded', alarms: [] });
    const before = await runNow(stores, DATE);
    expect(await cancel('request')).toBe(true);
    expect(await runNow(stores, DATE)).toEqual(before);
    expect(await stores.runs.cancel(NAME, '2000-01-01', 'request')).toBe(false);
    expect(await stores.runs.read(NAME, '2000-01-01')).toBeUndefined();
  });
});

describe('a run that has not begun in time', () => {
  const late = (message: string) => stores.runs.late(NAME, DATE, alarmOf(message));

  it('is noticed once', async () => {
    const notices = await Promise.all(['a', 'b', 'c'].map(late));
    expect(notices.filter((isFirst) => isFirst)).toHaveLength(1);
    expect(await heard()).toHaveLength(1);
    expect((await stores.runs.heads(NAME))[0]).toMatchObject({ isKnownAsLate: true });
  });

  it('is none when it has begun, or is not there', async () => {
    await begin(stores, DATE);
    expect(await late('a')).toBe(false);
    expect(await stores.runs.late(NAME, '2000-01-01', alarmOf('a'))).toBe(false);
    expect(await heard()).toEqual([]);
  });
});

it('one of several processes that take a run up at once has it', async () => {
  const started = await Promise.all(Array.from({ length: 5 }, () => begin(stores, DATE)));
  const attempts = started.map(({ attempt }) => attempt);
  expect(attempts.sort()).toEqual([1, 2, 3, 4, 5]);
  const ends = await Promise.all(
    started.map((run: RecordedRun) => stores.runs.end(run, { status: 'succeeded', alarms: [] })),
  );
  expect(ends.filter((isEnded) => isEnded)).toHaveLength(1);
});
