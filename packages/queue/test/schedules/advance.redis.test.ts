import { newAlarm } from '@millrace/queue/schedules/alarm';
import { OPEN_RUNS_MAX } from '@millrace/queue/scripts/run-scripts';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { useRedis } from '../../../../test/fixtures/redis.js';
import {
  advance,
  begin,
  CLIENT,
  dates,
  definitionOf,
  due,
  NAME,
  NOW,
  putSchedule,
  runNow,
  scheduleNow,
  statuses,
  useStores,
} from './stores.js';

const redis = useRedis();
const stores = useStores(redis);

const [FIRST = '', SECOND = '', THIRD = ''] = dates(3).map(({ logicalDate }) => logicalDate);

describe('the dates that have come', () => {
  it('get a run each, and the watermark goes on', async () => {
    const schedule = await putSchedule(stores);
    const [run] = due(1);
    expect(await stores.runs.advance(schedule, { at: NOW + 1, date: FIRST }, due(1), [])).toEqual([
      'waiting',
    ]);
    expect((await scheduleNow(stores)).watermark).toBe(`${NOW + 1} ${FIRST}`);
    expect(await runNow(stores, FIRST)).toEqual({
      schedule: NAME,
      logicalDate: FIRST,
      status: 'waiting',
      trigger: 'schedule',
      client: CLIENT,
      dueAt: run?.dueAt,
      createdAt: NOW,
      attempt: 0,
      writtenRows: 0,
      definition: definitionOf(),
      isAccepted: false,
    });
  });

  it('get it from one of all who tick at once', async () => {
    const schedule = await putSchedule(stores, { overlap: 'queue' });
    const ticks = Array.from({ length: 5 }, () => stores.runs.advance(schedule, { at: NOW + 1 }, due(2), []));
    expect((await Promise.all(ticks)).filter((isMade) => isMade)).toHaveLength(1);
    expect(await statuses(stores)).toEqual({ [FIRST]: 'waiting', [SECOND]: 'waiting' });
  });

  it('get none from who has read another revision, or another watermark', async () => {
    const schedule = await putSchedule(stores);
    await putSchedule(stores, { cron: '0 12 * * *' });
    expect(await stores.runs.advance(schedule, { at: NOW + 1 }, due(1), [])).toBeUndefined();
    const now = await scheduleNow(stores);
    expect(
      await stores.runs.advance({ ...now, watermark: '7' }, { at: NOW + 1 }, due(1), []),
    ).toBeUndefined();
    expect(await stores.runs.advance(now, { at: NOW + 1 }, due(1), [])).toEqual(['waiting']);
  });

  it('get none when the schedule is gone', async () => {
    const schedule = await putSchedule(stores);
    await stores.schedules.remove(NAME, CLIENT);
    expect(await stores.runs.advance(schedule, { at: NOW + 1 }, due(1), [])).toBeUndefined();
    expect(await statuses(stores)).toEqual({});
  });

  it('keep the run that they have', async () => {
    const schedule = await putSchedule(stores);
    await stores.runs.add(schedule, dates(1), 'manual', 1, 'never');
    await begin(stores, FIRST);
    expect(await advance(stores, due(1))).toBe(true);
    expect(await runNow(stores, FIRST)).toMatchObject({ status: 'running', trigger: 'manual', attempt: 1 });
  });

  it('that are found too late are missed, and that is told', async () => {
    const schedule = await putSchedule(stores);
    const alarm = newAlarm(
      { type: 'run.missed', schedule: NAME, logical_date: FIRST, message: 'm', details: { count: 2 } },
      NOW,
    );
    await stores.runs.advance(schedule, { at: NOW + 1 }, due(2, 0, { status: 'missed' }), [alarm]);
    expect(await runNow(stores, SECOND)).toMatchObject({ status: 'missed', finishedAt: NOW });
    expect(await stores.runs.heads(NAME)).toEqual([]);
    const heard: unknown[] = [];
    await stores.alarms.drain(NAME, async (each) => void heard.push(each));
    expect(heard).toEqual([alarm]);
  });

  it('of a name that another client had before get the runs of this one', async () => {
    await putSchedule(stores, { client: 'bob' });
    await advance(stores, due(1, 0, { status: 'missed' }));
    await stores.schedules.remove(NAME, 'bob');
    await putSchedule(stores);
    await advance(stores, due(1));
    expect(await runNow(stores, FIRST)).toMatchObject({ client: CLIENT, status: 'waiting' });
    expect(await runNow(stores, FIRST)).not.toHaveProperty('finishedAt');
  });
});

describe('a run that is due while another one is under way', () => {
  it('is skipped', async () => {
    await putSchedule(stores, { overlap: 'skip' });
    await advance(stores, due(1));
    await begin(stores, FIRST);
    await advance(stores, due(2, 1));
    expect(await statuses(stores)).toEqual({ [FIRST]: 'running', [SECOND]: 'skipped', [THIRD]: 'skipped' });
    expect((await runNow(stores, SECOND)).finishedAt).toBe(NOW);
  });

  it('waits for its turn', async () => {
    await putSchedule(stores, { overlap: 'queue' });
    await advance(stores, due(3));
    expect(await stores.runs.start(NAME, SECOND)).toBe('wait');
    const run = await begin(stores, FIRST);
    expect(await stores.runs.start(NAME, SECOND)).toBe('wait');
    await stores.runs.end(run, { status: 'succeeded', alarms: [] });
    expect(await stores.runs.start(NAME, THIRD)).toBe('wait');
    expect(await begin(stores, SECOND)).toMatchObject({ status: 'running' });
  });

  it('cancels it', async () => {
    await putSchedule(stores, { overlap: 'cancel_previous' });
    await advance(stores, due(1));
    const first = await begin(stores, FIRST);
    await advance(stores, due(2, 1));
    expect(await statuses(stores)).toEqual({ [FIRST]: 'running', [SECOND]: 'cancelled', [THIRD]: 'waiting' });
    expect(await runNow(stores, SECOND)).toMatchObject({ cancel: 'overlap' });
    expect(await stores.runs.note(first, { writtenRows: 1 })).toBe('cancelled');
    expect(await stores.runs.start(NAME, THIRD)).toBe('wait');
    await stores.runs.end(first, { status: 'cancelled', alarms: [] });
    expect(await begin(stores, THIRD)).toMatchObject({ status: 'running' });
  });

  it.each(['skip', 'queue', 'cancel_previous'] as const)(
    'is queued when it is made up for (%s)',
    async (overlap) => {
      await putSchedule(stores, { overlap });
      await advance(stores, due(3, 0, { trigger: 'catch_up' }));
      expect(Object.values(await statuses(stores))).toEqual(['waiting', 'waiting', 'waiting']);
    },
  );

  it('is not held up by one that somebody has asked for', async () => {
    const schedule = await putSchedule(stores);
    await stores.runs.add(schedule, dates(1), 'manual', 1, 'never');
    await begin(stores, FIRST);
    await advance(stores, due(1, 1));
    expect(await begin(stores, SECOND)).toMatchObject({ status: 'running' });
  });
});

describe('more runs than may wait', () => {
  it.each([
    ['schedule', 'skipped'],
    ['catch_up', 'missed'],
  ] as const)('by %s are %s', async (trigger, status) => {
    await putSchedule(stores, { overlap: 'queue' });
    await advance(stores, due(OPEN_RUNS_MAX + 3, 0, { trigger }));
    const found = Object.values(await statuses(stores));
    // Those that have ended are forgotten first.
    expect(found.filter((each) => each === 'waiting')).toHaveLength(OPEN_RUNS_MAX);
    const [last] = dates(1, OPEN_RUNS_MAX + 2);
    expect((await runNow(stores, last?.logicalDate ?? '')).status).toBe(status);
  });
});

/** Several who tick, each with what it read some time ago, and run whatever they may. */
it('whoever ticks with whatever it has read, each date gets one run, in order, one at a time', async () => {
  const step = fc.record({ ticker: fc.nat(2), what: fc.constantFrom('read', 'advance', 'start', 'end') });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
      stores.renew();
      const first = await putSchedule(stores, { overlap: 'queue' });
      const read = [first, first, first];
      const begun: string[] = [];
      let running: Awaited<ReturnType<typeof begin>> | undefined;
      let made = 0;
      for (const { ticker, what } of steps) {
        if (what === 'read') read[ticker] = await scheduleNow(stores);
        if (what === 'advance') {
          const schedule = read[ticker] ?? first;
          const next = (Number(schedule.watermark) - NOW) / 86_400_000;
          const [run] = due(1, next + 1);
          if (run === undefined) continue;
          if (await stores.runs.advance(schedule, { at: run.dueAt }, [run], [])) made++;
        }
        if (what === 'start') {
          for (const { logicalDate } of (await stores.runs.heads(NAME)).reverse()) {
            const started = await stores.runs.start(NAME, logicalDate);
            if (typeof started === 'string') continue;
            if (started.attempt === 1) begun.push(logicalDate);
            if (running !== undefined) expect(logicalDate).toBe(running.logicalDate);
            running = started;
          }
        }
        if (what === 'end' && running !== undefined) {
          expect(await stores.runs.end(running, { status: 'succeeded', alarms: [] })).toBe(true);
          running = undefined;
        }
      }
      const expected = dates(made, 1).map(({ logicalDate }) => logicalDate);
      expect(Object.keys(await statuses(stores))).toEqual(expected);
      expect(begun).toEqual(expected.slice(0, begun.length));
    }),
    { numRuns: 40 },
  );
});
