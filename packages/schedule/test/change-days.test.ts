import { CronTimes } from '@millrace/schedule/cron-times';
import { describe, expect, it } from 'vitest';

/** The date before a change of clocks, the date of it, and the date after it, each with the instant at which it is due. */
type Row = [zone: string, cron: string, from: string, due: string[]];

const NIGHTLY: Row[] = [
  // Left out: due at the change.
  [
    'Europe/Berlin',
    '30 2 * * *',
    '2026-03-28',
    ['2026-03-28T01:30Z', '2026-03-29T01:00Z', '2026-03-30T00:30Z'],
  ],
  [
    'Europe/Berlin',
    '30 2 * * *',
    '2027-03-27',
    ['2027-03-27T01:30Z', '2027-03-28T01:00Z', '2027-03-29T00:30Z'],
  ],
  [
    'America/New_York',
    '30 2 * * *',
    '2026-03-07',
    ['2026-03-07T07:30Z', '2026-03-08T07:00Z', '2026-03-09T06:30Z'],
  ],
  [
    'America/New_York',
    '30 2 * * *',
    '2027-03-13',
    ['2027-03-13T07:30Z', '2027-03-14T07:00Z', '2027-03-15T06:30Z'],
  ],
  [
    'Australia/Lord_Howe',
    '15 2 * * *',
    '2026-10-03',
    ['2026-10-02T15:45Z', '2026-10-03T15:30Z', '2026-10-04T15:15Z'],
  ],
  [
    'Australia/Lord_Howe',
    '15 2 * * *',
    '2027-10-02',
    ['2027-10-01T15:45Z', '2027-10-02T15:30Z', '2027-10-03T15:15Z'],
  ],
  // What the clock shows the moment it has changed is not left out.
  [
    'Europe/Berlin',
    '0 3 * * *',
    '2026-03-28',
    ['2026-03-28T02:00Z', '2026-03-29T01:00Z', '2026-03-30T01:00Z'],
  ],
  [
    'Australia/Lord_Howe',
    '30 2 * * *',
    '2026-10-03',
    ['2026-10-02T16:00Z', '2026-10-03T15:30Z', '2026-10-04T15:30Z'],
  ],
  // Twice: due the first time.
  [
    'Europe/Berlin',
    '30 2 * * *',
    '2026-10-24',
    ['2026-10-24T00:30Z', '2026-10-25T00:30Z', '2026-10-26T01:30Z'],
  ],
  [
    'Europe/Berlin',
    '30 2 * * *',
    '2027-10-30',
    ['2027-10-30T00:30Z', '2027-10-31T00:30Z', '2027-11-01T01:30Z'],
  ],
  [
    'America/New_York',
    '30 1 * * *',
    '2026-10-31',
    ['2026-10-31T05:30Z', '2026-11-01T05:30Z', '2026-11-02T06:30Z'],
  ],
  [
    'America/New_York',
    '30 1 * * *',
    '2027-11-06',
    ['2027-11-06T05:30Z', '2027-11-07T05:30Z', '2027-11-08T06:30Z'],
  ],
  [
    'Australia/Lord_Howe',
    '45 1 * * *',
    '2026-04-04',
    ['2026-04-03T14:45Z', '2026-04-04T14:45Z', '2026-04-05T15:15Z'],
  ],
  [
    'Australia/Lord_Howe',
    '45 1 * * *',
    '2027-04-03',
    ['2027-04-02T14:45Z', '2027-04-03T14:45Z', '2027-04-04T15:15Z'],
  ],
  // Just after an hour that comes twice.
  [
    'America/New_York',
    '30 2 * * *',
    '2026-10-31',
    ['2026-10-31T06:30Z', '2026-11-01T07:30Z', '2026-11-02T07:30Z'],
  ],
  [
    'America/New_York',
    '30 2 * * *',
    '2027-11-06',
    ['2027-11-06T06:30Z', '2027-11-07T07:30Z', '2027-11-08T07:30Z'],
  ],
  [
    'Australia/Lord_Howe',
    '30 2 * * *',
    '2026-04-04',
    ['2026-04-03T15:30Z', '2026-04-04T16:00Z', '2026-04-05T16:00Z'],
  ],
  // Clocks that change at midnight.
  [
    'Africa/Cairo',
    '0 0 * * *',
    '2026-04-23',
    ['2026-04-22T22:00Z', '2026-04-23T22:00Z', '2026-04-24T21:00Z'],
  ],
  [
    'Africa/Cairo',
    '30 0 * * *',
    '2026-04-23',
    ['2026-04-22T22:30Z', '2026-04-23T22:00Z', '2026-04-24T21:30Z'],
  ],
  [
    'Africa/Cairo',
    '30 23 * * *',
    '2026-10-28',
    ['2026-10-28T20:30Z', '2026-10-29T20:30Z', '2026-10-30T21:30Z'],
  ],
  [
    'America/Havana',
    '0 0 * * *',
    '2026-03-07',
    ['2026-03-07T05:00Z', '2026-03-08T05:00Z', '2026-03-09T04:00Z'],
  ],
  [
    'America/Havana',
    '30 0 * * *',
    '2026-10-31',
    ['2026-10-31T04:30Z', '2026-11-01T04:30Z', '2026-11-02T05:30Z'],
  ],
  // Clocks that never change, and one that did at midnight, by a quarter of an hour.
  [
    'Asia/Kolkata',
    '30 2 * * *',
    '2026-03-28',
    ['2026-03-27T21:00Z', '2026-03-28T21:00Z', '2026-03-29T21:00Z'],
  ],
  [
    'Asia/Kolkata',
    '30 2 * * *',
    '2026-10-24',
    ['2026-10-23T21:00Z', '2026-10-24T21:00Z', '2026-10-25T21:00Z'],
  ],
  [
    'Asia/Kathmandu',
    '30 2 * * *',
    '2026-03-28',
    ['2026-03-27T20:45Z', '2026-03-28T20:45Z', '2026-03-29T20:45Z'],
  ],
  [
    'Asia/Kathmandu',
    '10 0 * * *',
    '1985-12-31',
    ['1985-12-30T18:40Z', '1985-12-31T18:30Z', '1986-01-01T18:25Z'],
  ],
  ['UTC', '30 2 * * *', '2026-03-28', ['2026-03-28T02:30Z', '2026-03-29T02:30Z', '2026-03-30T02:30Z']],
  // A day that never was.
  [
    'Pacific/Apia',
    '30 2 * * *',
    '2011-12-29',
    ['2011-12-29T12:30Z', '2011-12-30T10:00Z', '2011-12-30T12:30Z'],
  ],
];

it.each(NIGHTLY)('in %s "%s" from %s on is due once a day', (zone, cron, from, due) => {
  const times = new CronTimes(cron, zone);
  const days = [0, 1, 2].map((day) =>
    new Date(Date.parse(from) + day * 86_400_000).toISOString().slice(0, 10),
  );
  const found = [...times.range(from, days[2] as string)];
  expect(found.map(({ logicalDate }) => logicalDate)).toEqual(days);
  expect(found.map(({ dueAt }) => iso(dueAt))).toEqual(due);
  days.forEach((day, index) => {
    expect(times.at(day)).toEqual(found[index]);
    expect(times.next((found[index]?.dueAt as number) - 1)).toEqual(found[index]);
  });
});

describe('several local times', () => {
  it('that a change leaves out are all due at the change, in order', () => {
    const times = new CronTimes('*/15 1-3 * * *', 'Europe/Berlin');
    expect(datesOf(times, '2026-03-29')).toEqual([
      '2026-03-29T01:00 00:00Z',
      '2026-03-29T01:15 00:15Z',
      '2026-03-29T01:30 00:30Z',
      '2026-03-29T01:45 00:45Z',
      '2026-03-29T02:00 01:00Z',
      '2026-03-29T02:15 01:00Z',
      '2026-03-29T02:30 01:00Z',
      '2026-03-29T02:45 01:00Z',
      '2026-03-29T03:00 01:00Z',
      '2026-03-29T03:15 01:15Z',
      '2026-03-29T03:30 01:30Z',
      '2026-03-29T03:45 01:45Z',
    ]);
  });

  it('that come twice are due the first time only', () => {
    const times = new CronTimes('0,30 1-3 * * *', 'Europe/Berlin');
    expect(datesOf(times, '2026-10-25')).toEqual([
      '2026-10-25T01:00 23:00Z',
      '2026-10-25T01:30 23:30Z',
      '2026-10-25T02:00 00:00Z',
      '2026-10-25T02:30 00:30Z',
      '2026-10-25T03:00 02:00Z',
      '2026-10-25T03:30 02:30Z',
    ]);
  });

  it('are named with seconds when the cron has any', () => {
    expect(datesOf(new CronTimes('20,50 0 2 * * *', 'UTC'), '2026-11-20')).toEqual([
      '2026-11-20T02:00:20 02:00Z',
      '2026-11-20T02:00:50 02:00Z',
    ]);
    expect(datesOf(new CronTimes('20 0 2,3 * * *', 'UTC'), '2026-11-20')).toEqual([
      '2026-11-20T02:00:20 02:00Z',
      '2026-11-20T03:00:20 03:00Z',
    ]);
  });

  it('are one when there is only one second, minute and hour, however it is written', () => {
    for (const cron of ['30 2 * * *', '0 30 2 * * *', '20 30 2 * * *', '30,30 2-2 * * *', '30 2-3/2 * * *']) {
      expect(new CronTimes(cron, 'UTC').next(0)?.logicalDate).toBe('1970-01-01');
    }
  });
});

describe('instants', () => {
  it.each([
    ['Europe/Berlin', '2026-03-29', 23],
    ['Europe/Berlin', '2026-10-25', 25],
    ['America/New_York', '2027-03-14', 23],
    ['America/New_York', '2027-11-07', 25],
    ['Africa/Cairo', '2026-04-24', 23],
    ['Africa/Cairo', '2026-10-29', 25],
    ['Asia/Kolkata', '2026-03-29', 24],
    // The clock never shows 2:00 in the one night, and once in the other.
    ['Australia/Lord_Howe', '2026-10-04', 23],
    ['Australia/Lord_Howe', '2026-04-05', 24],
    ['Pacific/Apia', '2011-12-30', 0],
  ])('of full hours in %s on %s are %i', (zone, day, count) => {
    const found = [...new CronTimes('0 * * * *', zone).range(day, day)];
    expect(found).toHaveLength(count);
    for (const { logicalDate, dueAt } of found)
      expect(logicalDate).toBe(`${new Date(dueAt).toISOString().slice(0, 19)}Z`);
  });

  it('in an hour that comes twice are those of both passes', () => {
    const found = [...new CronTimes('30 * * * *', 'Europe/Berlin').range('2026-10-25', '2026-10-25')];
    expect(found.slice(1, 5).map(({ logicalDate }) => logicalDate)).toEqual([
      '2026-10-24T23:30:00Z',
      '2026-10-25T00:30:00Z',
      '2026-10-25T01:30:00Z',
      '2026-10-25T02:30:00Z',
    ]);
  });

  it('are every five minutes without a pause, whatever the clocks do', () => {
    const times = new CronTimes('*/5 * * * *', 'America/New_York');
    for (const change of ['2026-03-08T07:00Z', '2026-11-01T06:00Z']) {
      const from = Date.parse(change) - 3_600_000;
      const found = times.between({ at: from }, from + 7_200_000, 100).map(({ dueAt }) => dueAt);
      expect(found).toEqual(Array.from({ length: 24 }, (_, index) => from + (index + 1) * 300_000));
    }
  });
});

it('a date that comes seldom is found, and one that comes once in forty years', () => {
  const due = (cron: string, from: string) =>
    new CronTimes(cron, 'Europe/Berlin').next(Date.parse(from))?.logicalDate;
  expect(due('0 0 29 2 *', '2026-11-20')).toBe('2028-02-29');
  expect(due('0 0 29 2 *', '2096-03-01')).toBe('2104-02-29');
  // A February with five Mondays: 2072, and then not before 2112.
  expect(due('0 0 * 2 MON#5', '2072-03-01')).toBe('2112-02-29');
});

function datesOf(times: CronTimes, day: string): string[] {
  return [...times.range(day, day)].map(({ logicalDate, dueAt }) => `${logicalDate} ${iso(dueAt).slice(11)}`);
}

function iso(time: number): string {
  return `${new Date(time).toISOString().slice(0, 16)}Z`;
}
