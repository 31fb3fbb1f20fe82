import { CronTimes } from '@millrace/schedule/cron-times';
import { isLogicalDate, momentDate } from '@millrace/schedule/logical-date';
import { ScheduleError } from '@millrace/schedule/schedule-error';
import { describe, expect, it } from 'vitest';

const nightly = new CronTimes('30 2 * * *', 'Europe/Berlin');

describe('a watermark', () => {
  const times = new CronTimes('*/15 1-3 * * *', 'Europe/Berlin');
  const change = Date.parse('2026-03-29T01:00Z');
  const names = (dates: { logicalDate: string }[]) => dates.map(({ logicalDate }) => logicalDate.slice(11));

  it('without a date has all that is due at its instant behind it', () => {
    expect(names(times.between({ at: change - 1 }, change, 10))).toEqual([
      '02:00',
      '02:15',
      '02:30',
      '02:45',
      '03:00',
    ]);
    expect(times.between({ at: change }, change, 10)).toEqual([]);
  });

  it('with a date has those due at its instant up to that date behind it', () => {
    expect(names(times.between({ at: change, date: '2026-03-29T02:15' }, change, 10))).toEqual([
      '02:30',
      '02:45',
      '03:00',
    ]);
    expect(names(times.between({ at: change, date: '2026-03-29T02:15' }, change + 900_000, 2))).toEqual([
      '02:30',
      '02:45',
    ]);
    expect(names(times.between({ at: change, date: '2026-03-29T03:00' }, change + 900_000, 9))).toEqual([
      '03:15',
    ]);
  });

  it('is followed by what is due at the instant until which is asked, and by nothing later', () => {
    const due = Date.parse('2026-11-20T01:30Z');
    expect(nightly.between({ at: due - 1 }, due, 9)).toHaveLength(1);
    expect(nightly.between({ at: due - 1 }, due - 1, 9)).toEqual([]);
    expect(nightly.between({ at: due }, due + 86_399_999, 9)).toEqual([]);
  });
});

describe('a range', () => {
  it('is of whole days, the first and the last among them', () => {
    const found = [...nightly.range('2026-11-20', '2026-11-22')].map(({ logicalDate }) => logicalDate);
    expect(found).toEqual(['2026-11-20', '2026-11-21', '2026-11-22']);
    expect([...nightly.range('2026-11-20', '2026-11-20')]).toHaveLength(1);
  });

  it('is walked only as far as it is taken', () => {
    const first = new CronTimes('* * * * * *', 'Europe/Berlin').range('1970-01-01', '9999-12-31').next();
    expect(first.value?.logicalDate).toBe('1969-12-31T23:00:00Z');
  });

  it.each([
    ['2026-11-21', '2026-11-20', 'from: 2026-11-21 is after to, 2026-11-20'],
    ['2026-11-31', '2026-12-01', 'from: must be a local date such as 2026-11-20, not "2026-11-31"'],
    ['2026-11-20', '20.11.2026', 'to: must be a local date such as 2026-11-20, not "20.11.2026"'],
    ['1969-12-31', '2026-11-20', 'from: must be a local date such as 2026-11-20, not "1969-12-31"'],
    [
      '2026-11-20T00:00',
      '2026-11-20',
      'from: must be a local date such as 2026-11-20, not "2026-11-20T00:00"',
    ],
  ])('from %s to %s is refused at once', (from, to, message) => {
    expect(() => nightly.range(from, to)).toThrow(new ScheduleError('invalid_range', message));
  });
});

describe('a name that is no date of the schedule', () => {
  it.each([
    ['30 2 * * MON-FRI', '2026-11-21', 'the nearest are 2026-11-20 and 2026-11-23'],
    ['0 0 29 2 *', '2027-02-28', 'the nearest are 2024-02-29 and 2028-02-29'],
    ['0 2,14 * * *', '2026-11-20T03:00', 'the nearest are 2026-11-20T02:00 and 2026-11-20T14:00'],
    ['10 0 2,14 * * *', '2026-11-20T02:00:00', 'the nearest are 2026-11-19T14:00:10 and 2026-11-20T02:00:10'],
    ['0 * * * *', '2026-11-20T03:30:00Z', 'the nearest are 2026-11-20T03:00:00Z and 2026-11-20T04:00:00Z'],
    ['0 0 1 1 *', '1970-01-02', 'the nearest are 1970-01-01 and 1971-01-01'],
    // In the second pass of the hour that comes twice.
    ['30 */3 * * *', '2026-10-25T01:30:00Z', 'the nearest are 2026-10-24T22:30:00Z and 2026-10-25T02:30:00Z'],
  ])('of "%s", %s, is refused with those near it', (cron, name, near) => {
    const times = new CronTimes(cron, 'Europe/Berlin');
    expect(() => times.at(name)).toThrow(
      new ScheduleError(
        'invalid_logical_date',
        `${name} is no logical date of this schedule: its cron does not name it; ${near}`,
      ),
    );
  });

  it.each([
    ['30 2 * * *', '2026-11-20T02:30', 'a local date such as 2026-11-20'],
    ['30 2 * * *', '2026-02-30', 'a local date such as 2026-11-20'],
    ['30 2 * * *', '../secrets', 'a local date such as 2026-11-20'],
    ['0 2,14 * * *', '2026-11-20', 'a local time such as 2026-11-20T14:30'],
    ['5 0 2,14 * * *', '2026-11-20T02:00', 'a local time with seconds such as 2026-11-20T14:30:10'],
    ['0 * * * *', '2026-11-20T02:00:00', 'a time in UTC such as 2026-11-20T13:30:00Z'],
    ['0 * * * *', '2026-11-20T02:00:00+01:00', 'a time in UTC such as 2026-11-20T13:30:00Z'],
  ])('of "%s", %s, is refused with the right form', (cron, name, words) => {
    expect(() => new CronTimes(cron, 'Europe/Berlin').at(name)).toThrow(
      new ScheduleError(
        'invalid_logical_date',
        `${JSON.stringify(name)} is no logical date of this schedule; must be ${words}`,
      ),
    );
  });
});

describe('a text', () => {
  it.each(['2026-11-20', '2026-11-20T14:30', '2026-11-20T14:30:10', '2026-11-20T13:30:00Z', '2024-02-29'])(
    '%s is a logical date',
    (text) => expect(isLogicalDate(text)).toBe(true),
  );

  it.each([
    '',
    '..',
    '2026-11-20/..',
    '2026-11-20T14:30:10.5',
    '2026-11-20 14:30',
    '2026-11-20T24:00',
    '2026-02-29',
  ])('"%s" is none', (text) => expect(isLogicalDate(text)).toBe(false));
});

it('a run by hand has the moment in UTC as its date', () => {
  expect(momentDate(Date.parse('2026-11-20T13:31:07.999Z'))).toBe('2026-11-20T13:31:07Z');
});

it.each([
  ['0 0 * * SAT-SUN', [1, 7, 8, 14, 15, 21, 22, 28, 29]],
  ['0 0 * * 6-7', [1, 7, 8, 14, 15, 21, 22, 28, 29]],
  ['0 0 * NOV 0', [1, 8, 15, 22, 29]],
  ['0 0 * * FRI#2', [13]],
  ['0 0 * * FRI#L', [27]],
  ['0 0 * * MON#5', [30]],
  ['0 0 1,L * *', [1, 30]],
  ['0 0 L * *', [30]],
  ['0 0 LW * *', [30]],
  // The first of November is a Sunday, the 14th a Saturday.
  ['0 0 1W * *', [2]],
  ['0 0 14W * *', [13]],
  ['0 0 15W * *', [16]],
  ['0 0 31W * *', []],
  // Two day fields that are not `*`: either is enough.
  ['0 0 13 * FRI', [6, 13, 20, 27]],
  ['0 0 */10 * MON', [1, 2, 9, 11, 16, 21, 23, 30]],
])('in November 2026 "%s" comes on %j', (cron, days) => {
  const found = [...new CronTimes(cron, 'UTC').range('2026-11-01', '2026-11-30')];
  expect(found.map(({ logicalDate }) => Number(logicalDate.slice(8)))).toEqual(days);
});

describe('a cron that never comes', () => {
  it.each(['0 0 30 2 *', '0 0 31 2,4,6,9,11 *', '0 0 31W 4 *', '0 * 30 FEB *'])('%s is refused', (cron) => {
    expect(() => new CronTimes(cron, 'UTC')).toThrow(
      new RangeError(`"${cron}" never comes: none of its months has such a day`),
    );
  });
});

it.each([
  ['Europe/Berln', '; did you mean "Europe/Berlin"?'],
  ['+01:00', ''],
  ['', ''],
])('a time zone "%s" is refused', (zone, hint) => {
  expect(() => new CronTimes('30 2 * * *', zone)).toThrow(
    new RangeError(
      `must be an IANA time zone such as UTC or Europe/Berlin, not ${JSON.stringify(zone)}${hint}`,
    ),
  );
});
