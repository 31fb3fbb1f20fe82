import { CronTimes, type Watermark } from '@millrace/schedule/cron-times';
import { decideDue, PASS_DATES_MAX } from '@millrace/schedule/due';
import { describe, expect, it } from 'vitest';
import { DAY, HOUR, MINUTE, SECOND } from './wall-clock.js';

const START = Date.parse('2026-11-20T00:00Z');
const nightly = new CronTimes('30 2 * * *', 'UTC');
type CatchUp = 'none' | 'latest' | 'all';

/** All passes over what is found at one moment: `20+` is run, `21-` is missed. */
function find(times: CronTimes, catchUp: CatchUp, start: Watermark, now: number, limit?: number) {
  const policy = { catch_up: catchUp, start_deadline: 600 };
  const decided: string[] = [];
  let passes = 0;
  let after = start;
  for (let hasMore = true; hasMore; ) {
    const pass = decideDue(times, policy, after, now, limit);
    decided.push(
      ...pass.decisions.map(({ logicalDate, isMissed }) => `${logicalDate}${isMissed ? '-' : '+'}`),
    );
    ({ watermark: after, hasMore } = pass);
    passes += 1;
  }
  return { decided, passes, after };
}

describe('after three nights down', () => {
  it.each<[CatchUp, string[]]>([
    ['none', ['2026-11-20-', '2026-11-21-', '2026-11-22-']],
    ['latest', ['2026-11-20-', '2026-11-21-', '2026-11-22+']],
    ['all', ['2026-11-20+', '2026-11-21+', '2026-11-22+']],
  ])('catch_up %s decides %j, in passes of any size', (catchUp, expected) => {
    for (const limit of [1, 2, 3, 4, undefined]) {
      const found = find(nightly, catchUp, { at: START }, START + 2 * DAY + 4 * HOUR, limit);
      expect(found.decided).toEqual(expected);
      expect(found.after).toEqual({ at: START + 2 * DAY + 4 * HOUR });
    }
  });

  it.each<[CatchUp, string[]]>([
    ['none', ['2026-11-20-', '2026-11-21+']],
    ['latest', ['2026-11-20-', '2026-11-21+']],
    ['all', ['2026-11-20+', '2026-11-21+']],
  ])('and a date that is on time, catch_up %s decides %j', (catchUp, expected) => {
    const now = START + DAY + 2.5 * HOUR + 10 * MINUTE;
    for (const limit of [1, 2, 3])
      expect(find(nightly, catchUp, { at: START }, now, limit).decided).toEqual(expected);
  });
});

it('on time is what is found up to the very end of its start deadline', () => {
  const due = START + 2.5 * HOUR;
  const found = (now: number) => find(nightly, 'none', { at: START }, now).decided;
  expect(found(due - 1)).toEqual([]);
  expect(found(due)).toEqual(['2026-11-20+']);
  expect(found(due + 600 * SECOND)).toEqual(['2026-11-20+']);
  expect(found(due + 600 * SECOND + 1)).toEqual(['2026-11-20-']);
});

it('the others that are on time are run with the latest', () => {
  const times = new CronTimes('*/5 * * * *', 'UTC');
  const now = START + 21 * MINUTE;
  for (const limit of [1, 2, 3, 4, 9]) {
    expect(find(times, 'latest', { at: START }, now, limit).decided).toEqual([
      '2026-11-20T00:05:00Z-',
      '2026-11-20T00:10:00Z-',
      '2026-11-20T00:15:00Z+',
      '2026-11-20T00:20:00Z+',
    ]);
  }
});

describe('more dates than a pass takes', () => {
  const times = new CronTimes('*/10 * * * * *', 'UTC');

  it('are decided in several, of which the last alone has the latest', () => {
    const { decided, passes } = find(times, 'latest', { at: START }, START + 5 * HOUR + HOUR / 2);
    expect(decided).toHaveLength(1980);
    expect(passes).toBe(Math.ceil(1980 / PASS_DATES_MAX));
    expect(decided.findIndex((each) => each.endsWith('+'))).toBe(1980 - 61);
    expect(new Set(decided).size).toBe(1980);
  });

  it('are as many as a pass takes at most, and a full pass is not followed by an empty one', () => {
    expect(find(times, 'all', { at: START }, START + PASS_DATES_MAX * 10 * SECOND).passes).toBe(1);
    expect(find(times, 'all', { at: START }, START + (PASS_DATES_MAX + 1) * 10 * SECOND).passes).toBe(2);
  });

  it('are each decided once when a change of clocks makes them due at one instant', () => {
    const left = new CronTimes('* 2 * * *', 'Europe/Berlin');
    const change = Date.parse('2026-03-29T01:00Z');
    for (const limit of [1, 7, 59, 60]) {
      const { decided } = find(left, 'all', { at: change - 1 }, change, limit);
      expect(decided).toHaveLength(60);
      expect(new Set(decided).size).toBe(60);
    }
  });
});

it('a clock that is set back finds nothing, and moves no watermark', () => {
  const after = { at: START + DAY, date: '2026-11-20' };
  expect(decideDue(nightly, { catch_up: 'all', start_deadline: 600 }, after, START)).toEqual({
    decisions: [],
    watermark: after,
    hasMore: false,
  });
});
