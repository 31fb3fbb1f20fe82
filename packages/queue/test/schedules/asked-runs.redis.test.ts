import { OPEN_RUNS_MAX } from '@millrace/queue/scripts/run-scripts';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { useRedis } from '../../../../test/fixtures/redis.js';
import {
  advance,
  begin,
  dates,
  due,
  NAME,
  NOW,
  putSchedule,
  runNow,
  type Stores,
  scheduleNow,
  statuses,
  useStores,
} from './stores.js';

const redis = useRedis();
const stores = useStores(redis, putSchedule);

type Again = Parameters<Stores['runs']['add']>[4];

const [FIRST = '', SECOND = '', THIRD = '', FOURTH = ''] = dates(4).map(({ logicalDate }) => logicalDate);

const add = async (
  count: number,
  {
    firstDay = 0,
    parallel = 1,
    again = 'unsuccessful' as Again,
    lane = 'backfill' as 'backfill' | 'manual',
  } = {},
) => stores.runs.add(await scheduleNow(stores), dates(count, firstDay), lane, parallel, again);
const end = async (logicalDate: string, status: 'succeeded' | 'partially_succeeded' | 'failed') =>
  stores.runs.end(await begin(stores, logicalDate), { status, alarms: [] });
const heads = async () =>
  (await stores.runs.heads(NAME)).map(
    ({ logicalDate, mayBegin }) => `${logicalDate}${mayBegin ? ' now' : ''}`,
  );

describe('runs that somebody asks for', () => {
  it('are made once, each with what the schedule says now', async () => {
    expect(await add(2)).toEqual(['created', 'created']);
    await putSchedule(stores, { model: 'income' });
    expect(await add(3)).toEqual(['exists', 'exists', 'created']);
    expect((await runNow(stores, FIRST)).definition.model).toBe('iris');
    expect(await runNow(stores, THIRD)).toMatchObject({
      trigger: 'backfill',
      definition: { model: 'income' },
    });
  });

  it('are none of none', async () => {
    expect(await add(0)).toEqual([]);
  });

  it.each([
    ['never', { succeeded: 'exists', partially_succeeded: 'exists', failed: 'exists', missed: 'exists' }],
    [
      'unsuccessful',
      { succeeded: 'exists', partially_succeeded: 'exists', failed: 'again', missed: 'again' },
    ],
    ['always', { succeeded: 'again', partially_succeeded: 'again', failed: 'again', missed: 'again' }],
  ] as const)('are made again, when that is asked for: %s', async (again, expected) => {
    const ends = ['succeeded', 'partially_succeeded', 'failed'] as const;
    await add(3);
    for (const [index, status] of ends.entries()) await end(dates(3)[index]?.logicalDate ?? '', status);
    await advance(stores, due(1, 3, { status: 'missed' }));
    const outcomes = await add(4, { again });
    expect(Object.fromEntries([...ends, 'missed'].map((status, at) => [status, outcomes?.[at]]))).toEqual(
      expected,
    );
  });

  it('are never made again while they are under way', async () => {
    await add(2);
    await begin(stores, FIRST);
    expect(await add(2, { again: 'always' })).toEqual(['exists', 'exists']);
  });

  it('begin afresh when they are made again, and count their attempts on', async () => {
    await add(1);
    const run = await begin(stores, FIRST);
    await stores.runs.note(run, { taskId: 't', model: 'iris@1', acceptedTask: 't', writtenRows: 5 });
    await stores.runs.end(run, {
      status: 'failed',
      written: { location: 'out', rows: 5, bytes: 50 },
      error: { code: 'sink_refused', message: 'm' },
      alarms: [],
    });
    expect(await add(1, { lane: 'manual' })).toEqual(['again']);
    const again = await runNow(stores, FIRST);
    expect(again).toMatchObject({
      status: 'waiting',
      trigger: 'manual',
      attempt: 1,
      writtenRows: 0,
      isAccepted: false,
    });
    for (const gone of ['taskId', 'model', 'written', 'error', 'startedAt', 'finishedAt']) {
      expect(again).not.toHaveProperty(gone);
    }
    expect(await stores.runs.note(run, {})).toBe('lost');
    expect((await begin(stores, FIRST)).attempt).toBe(2);
    expect(await stores.runs.note(run, {})).toBe('lost');
  });

  it('are those of another client once the name is', async () => {
    await add(2);
    await end(FIRST, 'succeeded');
    await stores.schedules.remove(NAME, 'alice');
    await putSchedule(stores, { client: 'bob' });
    expect(await add(2, { again: 'never' })).toEqual(['created', 'exists']);
    expect(await runNow(stores, FIRST)).toMatchObject({ client: 'bob', status: 'waiting', attempt: 1 });
  });

  it('are not more than may wait, and then none is made', async () => {
    await add(OPEN_RUNS_MAX - 1);
    expect(await add(2, { firstDay: OPEN_RUNS_MAX })).toBeUndefined();
    expect(Object.keys(await statuses(stores))).toHaveLength(OPEN_RUNS_MAX - 1);
    expect((await add(OPEN_RUNS_MAX))?.filter((outcome) => outcome === 'created')).toHaveLength(1);
    // Asked again, since the answer was lost: there is nothing more to make.
    expect(await add(OPEN_RUNS_MAX)).toEqual(Array(OPEN_RUNS_MAX).fill('exists'));
    // Every lane has its own.
    expect(await add(1, { firstDay: OPEN_RUNS_MAX + 1, lane: 'manual' })).toEqual(['created']);
  });
});

describe('a lane', () => {
  it('has as many runs at once as it may, in order', async () => {
    await add(4, { parallel: 2 });
    expect(await heads()).toEqual([`${FIRST} now`, `${SECOND} now`, THIRD, FOURTH]);
    expect(await stores.runs.start(NAME, THIRD)).toBe('wait');
    await begin(stores, SECOND);
    expect(await stores.runs.start(NAME, THIRD)).toBe('wait');
    await end(FIRST, 'succeeded');
    expect(await heads()).toEqual([`${SECOND} now`, `${THIRD} now`, FOURTH]);
  });

  it('counts those that have begun, though earlier dates are added', async () => {
    await add(2, { firstDay: 2, parallel: 2 });
    for (const date of [THIRD, FOURTH]) await begin(stores, date);
    await add(2, { parallel: 2 });
    expect(await stores.runs.start(NAME, FIRST)).toBe('wait');
    expect(await heads()).toEqual([`${THIRD} now`, `${FOURTH} now`, FIRST, SECOND]);
    await stores.runs.end(await begin(stores, THIRD), { status: 'succeeded', alarms: [] });
    expect(await heads()).toEqual([`${FOURTH} now`, `${FIRST} now`, SECOND]);
  });

  it('does not wait for another lane', async () => {
    await add(1);
    await add(1, { firstDay: 1, lane: 'manual' });
    await advance(stores, due(1, 2));
    for (const date of [FIRST, SECOND, THIRD]) await begin(stores, date);
    expect(Object.values(await statuses(stores))).toEqual(['running', 'running', 'running']);
  });

  it('tells of the runs at its head what there is to do for them', async () => {
    await add(50);
    const run = await begin(stores, FIRST);
    await stores.runs.note(run, { taskId: 'task-1' });
    await stores.runs.cancel(NAME, FIRST, 'request');
    const found = await stores.runs.heads(NAME);
    expect(found).toHaveLength(32);
    expect(found.slice(0, 2)).toMatchObject([
      {
        logicalDate: FIRST,
        status: 'running',
        dueAt: NOW,
        mayBegin: true,
        isToBeCancelled: true,
        taskId: 'task-1',
        isKnownAsLate: false,
        trigger: 'backfill',
      },
      {
        logicalDate: SECOND,
        status: 'waiting',
        dueAt: NOW + 86_400_000,
        mayBegin: false,
        isToBeCancelled: false,
        taskId: undefined,
        isKnownAsLate: false,
        trigger: 'backfill',
      },
    ]);
  });

  it('forgets a run whose record is gone', async () => {
    await add(2);
    await stores.connection.del(`${stores.keys.scheduleBase(NAME)}run:${FIRST}`);
    expect(await stores.runs.start(NAME, FIRST)).toBe('gone');
    await stores.runs.heads(NAME);
    expect(await heads()).toEqual([`${SECOND} now`]);
  });

  it('never has more runs at once than may, whatever is added, begun and ended in whichever order', async () => {
    const parallel = 3;
    const step = fc.oneof(
      fc.record({
        what: fc.constant('add' as const),
        day: fc.nat(30),
        count: fc.integer({ min: 1, max: 5 }),
      }),
      fc.record({
        what: fc.constantFrom('start' as const, 'end' as const),
        day: fc.nat(30),
        count: fc.constant(0),
      }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
        stores.renew();
        await putSchedule(stores);
        const running = new Map<string, Awaited<ReturnType<typeof begin>>>();
        for (const { what, day, count } of steps) {
          const logicalDate = dates(1, day)[0]?.logicalDate ?? '';
          if (what === 'add') await add(count, { firstDay: day, parallel });
          if (what === 'start') {
            const run = await stores.runs.start(NAME, logicalDate);
            if (typeof run !== 'string') running.set(logicalDate, run);
          }
          const run = running.get(logicalDate);
          if (what === 'end' && run !== undefined) {
            await stores.runs.end(run, { status: 'failed', alarms: [] });
            running.delete(logicalDate);
          }
          const now = Object.entries(await statuses(stores)).filter(([, status]) => status === 'running');
          expect(now.map(([date]) => date).sort()).toEqual([...running.keys()].sort());
          expect(running.size).toBeLessThanOrEqual(parallel);
          const mayBegin = (await stores.runs.heads(NAME)).filter((head) => head.mayBegin);
          const open = (await stores.runs.heads(NAME)).length;
          expect(mayBegin).toHaveLength(Math.min(open, parallel));
        }
      }),
      { numRuns: 40 },
    );
  });
});

describe('the runs of a schedule', () => {
  it('are read in pages, the latest first', async () => {
    await add(5);
    const days = (await stores.runs.page(NAME, 2)).runs.map(({ logicalDate }) => logicalDate);
    expect(days).toEqual(
      dates(2, 3)
        .map(({ logicalDate }) => logicalDate)
        .reverse(),
    );
    const { runs, next } = await stores.runs.page(NAME, 3, FOURTH);
    expect(runs.map(({ logicalDate }) => logicalDate)).toEqual([THIRD, SECOND, FIRST]);
    expect(await stores.runs.page(NAME, 3, next)).toEqual({ runs: [], next: undefined });
    expect(await stores.runs.page(NAME, 3, '1970-01-01')).toEqual({ runs: [], next: undefined });
  });

  it('are read on behind one whose record is gone', async () => {
    await add(3);
    await stores.connection.del(`${stores.keys.scheduleBase(NAME)}run:${SECOND}`);
    const { runs, next } = await stores.runs.page(NAME, 2);
    expect([runs.map(({ logicalDate }) => logicalDate), next]).toEqual([[THIRD], SECOND]);
  });

  it('have a last one that is due by now', async () => {
    expect(await stores.runs.latest(NAME)).toBeUndefined();
    await add(3, { firstDay: -1 });
    expect((await stores.runs.latest(NAME))?.logicalDate).toBe(FIRST);
  });

  it('are forgotten beyond the last thousand, but for those among the oldest that have not ended', async () => {
    await add(1);
    await advance(stores, due(1_001, 1, { status: 'missed' }));
    await advance(stores, due(1, 1_002, { status: 'missed' }));
    const kept = Object.keys(await statuses(stores));
    expect(kept[0]).toBe(FIRST);
    expect(kept[1]).toBe(dates(1, 3)[0]?.logicalDate);
    expect(kept).toHaveLength(1_001);
    expect(await redis.keysUnder(`${stores.keys.scheduleBase(NAME)}run:`)).toHaveLength(1_001);
  });
});
