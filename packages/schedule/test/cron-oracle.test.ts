import { CronTimes } from '@millrace/schedule/cron-times';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { instantCron, localCron, midnightCron } from './any-cron.js';
import { DAY, dayText, look, MINUTE, SECOND, slowInstants, slowLocalTimes } from './wall-clock.js';

/** Days on which clocks are changed, here or there, and one on which none is; the last is left out altogether. */
const DAYS: [string, string][] = [
  ['Europe/Berlin', '2026-03-29'],
  ['Europe/Berlin', '2026-10-25'],
  ['Europe/Berlin', '2027-03-28'],
  ['Europe/Berlin', '2027-10-31'],
  ['America/New_York', '2026-03-08'],
  ['America/New_York', '2026-11-01'],
  ['America/New_York', '2027-03-14'],
  ['America/New_York', '2027-11-07'],
  ['Australia/Lord_Howe', '2026-04-05'],
  ['Australia/Lord_Howe', '2026-10-04'],
  ['Australia/Lord_Howe', '2027-04-04'],
  ['Australia/Lord_Howe', '2027-10-03'],
  ['Asia/Kolkata', '2026-03-29'],
  ['Asia/Kathmandu', '1986-01-01'],
  ['Africa/Cairo', '2026-04-24'],
  ['Africa/Cairo', '2026-10-29'],
  ['Africa/Casablanca', '2027-02-07'],
  ['America/Havana', '2026-03-08'],
  ['America/Havana', '2026-11-01'],
  ['America/St_Johns', '2010-03-14'],
  ['America/St_Johns', '2010-11-07'],
  ['Antarctica/Troll', '2026-10-25'],
  ['UTC', '2026-02-28'],
  ['Pacific/Apia', '2011-12-30'],
];

const around = fc
  .record({ place: fc.constantFrom(...DAYS), before: fc.nat(1), after: fc.nat(1) })
  .map(({ place: [zone, day], before, after }) => {
    const at = Date.parse(day);
    return { zone, from: at - before * DAY, to: at + after * DAY };
  });

function dates(cron: string, zone: string, from: number, to: number) {
  return [...new CronTimes(cron, zone).range(dayText(from), dayText(to))];
}

function times(found: readonly { wallTime: number; dueAt: number }[]) {
  return found.map(
    ({ wallTime, dueAt }) => `${new Date(wallTime).toISOString()} ${new Date(dueAt).toISOString()}`,
  );
}

/** Some crons come on no day at all, which is not what these tests are about. */
function comes(cron: string): boolean {
  try {
    new CronTimes(cron, 'UTC');
    return true;
  } catch {
    return false;
  }
}

describe('against a clock that is looked at every minute', () => {
  it('local times are all there, each once, in order, when they should be', () => {
    fc.assert(
      fc.property(localCron, around, ({ text, names }, { zone, from, to }) => {
        fc.pre(comes(text));
        const found = dates(text, zone, from, to);
        expect(times(found)).toEqual(times(slowLocalTimes(zone, names, from, to)));
        expectOrder(found.map(({ logicalDate }) => logicalDate));
      }),
      { numRuns: 150 },
    );
  });

  it('instants are all there, each once, in order', () => {
    fc.assert(
      fc.property(instantCron, around, ({ text, names }, { zone, from, to }) => {
        fc.pre(comes(text));
        const found = dates(text, zone, from, to);
        expect(times(found)).toEqual(times(slowInstants(zone, names, from, to)));
        expectOrder(found.map(({ logicalDate }) => logicalDate));
      }),
      { numRuns: 100 },
    );
  });

  it('days of whole years are those that the cron names', () => {
    const years = fc.integer({ min: 1970, max: 2120 }).map((year) => Date.UTC(year, 0, 1));
    fc.assert(
      fc.property(midnightCron, years, ({ text, names }, from) => {
        fc.pre(comes(text));
        const days = Array.from({ length: 366 }, (_, day) => from + day * DAY);
        const found = dates(text, 'UTC', from, from + 365 * DAY);
        expect(found.map(({ logicalDate }) => logicalDate)).toEqual(days.filter(names).map(dayText));
      }),
      { numRuns: 200 },
    );
  });
});

it.each(DAYS.slice(0, 12))(
  'seconds in %s around the change of %s are as the clock shows them',
  (zone, day) => {
    const from = Date.parse(day);
    const isShown = (wall: number) => wall % (10 * SECOND) === 0 && new Date(wall).getUTCHours() < 4;
    const local = dates('*/10 * 0-3 * * *', zone, from, from);
    expect(times(local)).toEqual(times(slowLocalTimes(zone, isShown, from, from, 10 * SECOND)));
    const instants = dates('*/10 * */24 * * *', zone, from, from);
    const isMidnight = (wall: number) => wall % (10 * SECOND) === 0 && new Date(wall).getUTCHours() === 0;
    expect(times(instants)).toEqual(times(slowInstants(zone, isMidnight, from, from, 10 * SECOND)));
  },
);

it('a walk from any instant goes on with the dates after it, however it is cut', () => {
  fc.assert(
    fc.property(
      fc.oneof(localCron, instantCron),
      around,
      fc.integer({ min: 0, max: 4 * 1440 }),
      fc.integer({ min: 1, max: 7 }),
      ({ text }, { zone, from, to }, minutes, limit) => {
        fc.pre(comes(text));
        const cron = new CronTimes(text, zone);
        const start = from - DAY + minutes * MINUTE;
        const all = [...cron.range(dayText(from - 2 * DAY), dayText(to + 2 * DAY))];
        const until = Math.min(to, start + DAY);
        const expected = all.filter(({ dueAt }) => dueAt > start && dueAt <= until);
        const found = [];
        let after: { at: number; date?: string } = { at: start };
        for (let due = cron.between(after, until, limit); due.length > 0; ) {
          found.push(...due);
          const last = due.at(-1) as (typeof due)[number];
          after = { at: last.dueAt, date: last.logicalDate };
          due = cron.between(after, until, limit);
        }
        expect(found).toEqual(expected);
        if (expected.length > 0) expect(cron.next(start)).toEqual(expected[0]);
      },
    ),
    { numRuns: 150 },
  );
});

it('each date is found again by its name', () => {
  fc.assert(
    fc.property(fc.oneof(localCron, instantCron), around, ({ text }, { zone, from, to }) => {
      fc.pre(comes(text));
      const cron = new CronTimes(text, zone);
      const some = [...cron.range(dayText(from), dayText(to))].filter((_, index) => index % 17 === 0);
      for (const due of some) expect(cron.at(due.logicalDate)).toEqual(due);
    }),
    { numRuns: 60 },
  );
});

it.each(['Europe/Berlin', 'Africa/Cairo', 'Australia/Lord_Howe', 'America/Sao_Paulo', 'Asia/Tehran'])(
  'what a clock in %s shows is what the platform says, up to 2060',
  (zone) => {
    const { clock } = new CronTimes('0 0 * * *', zone);
    for (let instant = 0; instant < Date.UTC(2060, 0); instant += 5 * DAY + 7 * MINUTE) {
      expect(clock.wallTime(instant)).toBe(look(zone, instant));
    }
  },
);

function expectOrder(names: readonly string[]): void {
  expect([...new Set(names)].sort()).toEqual(names);
}
