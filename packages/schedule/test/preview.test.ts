import { CronTimes } from '@millrace/schedule/cron-times';
import { previewOf } from '@millrace/schedule/preview';
import { expect, it } from 'vitest';

it('the next five times are told in local time and in UTC, with what a change of clocks does to them', () => {
  const times = new CronTimes('30 2 * * *', 'Europe/Berlin');
  expect(previewOf(times, Date.parse('2026-03-28T00:00Z'))).toEqual([
    { logical_date: '2026-03-28', local: '2026-03-28T02:30:00+01:00', utc: '2026-03-28T01:30:00.000Z' },
    {
      logical_date: '2026-03-29',
      local: '2026-03-29T03:00:00+02:00',
      utc: '2026-03-29T01:00:00.000Z',
      note: '2026-03-29T02:30 is left out: the clocks go from 2026-03-29T02:00 to 2026-03-29T03:00, when it is due',
    },
    { logical_date: '2026-03-30', local: '2026-03-30T02:30:00+02:00', utc: '2026-03-30T00:30:00.000Z' },
    { logical_date: '2026-03-31', local: '2026-03-31T02:30:00+02:00', utc: '2026-03-31T00:30:00.000Z' },
    { logical_date: '2026-04-01', local: '2026-04-01T02:30:00+02:00', utc: '2026-04-01T00:30:00.000Z' },
  ]);
  expect(previewOf(times, Date.parse('2026-10-24T23:00Z'), 1)).toEqual([
    {
      logical_date: '2026-10-25',
      local: '2026-10-25T02:30:00+02:00',
      utc: '2026-10-25T00:30:00.000Z',
      note: '2026-10-25T02:30 comes twice, the second time at 2026-10-25T02:30:00+01:00; it is due the first time',
    },
  ]);
});

it.each([
  [
    'Australia/Lord_Howe',
    '15 2 * * *',
    '2026-10-03T00:00Z',
    '2026-10-04T02:15 is left out: the clocks go from 2026-10-04T02:00 to 2026-10-04T02:30, when it is due',
  ],
  ['Australia/Lord_Howe', '30 2 * * *', '2026-10-03T00:00Z', undefined],
  [
    'Australia/Lord_Howe',
    '45 1 * * *',
    '2026-04-04T00:00Z',
    '2026-04-05T01:45 comes twice, the second time at 2026-04-05T01:45:00+10:30; it is due the first time',
  ],
  ['Australia/Lord_Howe', '15 1 * * *', '2026-04-04T00:00Z', undefined],
  [
    'Africa/Cairo',
    '0 0 * * *',
    '2026-04-23T00:00Z',
    '2026-04-24T00:00 is left out: the clocks go from 2026-04-24T00:00 to 2026-04-24T01:00, when it is due',
  ],
  [
    'Pacific/Apia',
    '0 12 * * *',
    '2011-12-30T00:00Z',
    '2011-12-30T12:00 is left out: the clocks go from 2011-12-30T00:00 to 2011-12-31T00:00, when it is due',
  ],
  ['Asia/Kolkata', '30 2 * * *', '2026-03-28T00:00Z', undefined],
])('in %s "%s" after %s is noted as %s', (zone, cron, after, note) => {
  expect(previewOf(new CronTimes(cron, zone), Date.parse(after), 1)[0]?.note).toBe(note);
});

it('instants are not moved, so nothing is noted', () => {
  const entries = previewOf(new CronTimes('30 * * * *', 'Europe/Berlin'), Date.parse('2026-10-24T23:00Z'), 4);
  expect(entries.map(({ logical_date: date, local, note }) => [date, local, note])).toEqual([
    ['2026-10-24T23:30:00Z', '2026-10-25T01:30:00+02:00', undefined],
    ['2026-10-25T00:30:00Z', '2026-10-25T02:30:00+02:00', undefined],
    ['2026-10-25T01:30:00Z', '2026-10-25T02:30:00+01:00', undefined],
    ['2026-10-25T02:30:00Z', '2026-10-25T03:30:00+01:00', undefined],
  ]);
});

it('dates that a change makes due at one instant are all told', () => {
  const entries = previewOf(
    new CronTimes('*/20 2 * * *', 'Europe/Berlin'),
    Date.parse('2026-03-29T00:00Z'),
    3,
  );
  expect(entries.map(({ logical_date: date, utc }) => `${date} ${utc}`)).toEqual([
    '2026-03-29T02:00 2026-03-29T01:00:00.000Z',
    '2026-03-29T02:20 2026-03-29T01:00:00.000Z',
    '2026-03-29T02:40 2026-03-29T01:00:00.000Z',
  ]);
});
