import { CronTimes, type Watermark } from '@millrace/schedule/cron-times';
import { decideDue } from '@millrace/schedule/due';
import { expect, it } from 'vitest';
import { mulberry32 } from '../../../test/fixtures/mulberry32.js';
import { DAY, dayText, HOUR, MINUTE, type Names, SECOND, slowLocalTimes } from './wall-clock.js';

const NIGHTS = 400;
const FIRST = Date.parse('2026-03-01T00:00Z');
const isHalfPastTwo: Names = (wall) => wall % DAY === 2 * HOUR + 30 * MINUTE;
const POLICIES = [
  { catch_up: 'none', start_deadline: 600 },
  { catch_up: 'latest', start_deadline: 600 },
  { catch_up: 'all', start_deadline: 600 },
  { catch_up: 'latest', start_deadline: 30 * 3600 },
] as const;
type Policy = (typeof POLICIES)[number];

interface Night {
  logicalDate: string;
  dueAt: number;
}

/** A moment at which the platform looks for what is due. It may die after some passes; what is left is found by the next one. */
interface Look {
  now: number;
  passes: number;
}

/** Looks every few minutes, with outages of up to four nights in between, and deaths in the middle of a look. */
function* looks(random: () => number, until: number): Generator<Look> {
  let now = FIRST;
  while (now < until) {
    const isOutage = random() < 0.01;
    now = Math.min(until, now + Math.ceil(isOutage ? random() * 4 * DAY : random() * 20 * MINUTE));
    yield { now, passes: now < until && random() < 0.2 ? 1 : Number.POSITIVE_INFINITY };
  }
}

/** What must come of a look, told from the list of all nights. */
function expected(waiting: Night[], policy: Policy, now: number, most: number): string[] {
  const due = waiting.filter(({ dueAt }) => dueAt <= now);
  return due.slice(0, most).map(({ logicalDate, dueAt }, index) => {
    const isOnTime = now <= dueAt + policy.start_deadline * SECOND;
    const isLast = index === due.length - 1;
    const isRun = policy.catch_up === 'all' || isOnTime || (policy.catch_up === 'latest' && isLast);
    return `${logicalDate} ${isRun ? 'run' : 'missed'}`;
  });
}

const CASES = ['Europe/Berlin', 'America/New_York', 'Australia/Lord_Howe', 'Asia/Kolkata'].flatMap((zone) =>
  POLICIES.map((policy) => ({ zone, ...policy })),
);

it.each(CASES)(
  '400 nights in $zone, catch_up $catch_up within $start_deadline s: each once, as it must be',
  ({ zone, ...policy }) => {
    // Clocks are changed on the half hour there.
    const step = 30 * MINUTE;
    const nights = slowLocalTimes(zone, isHalfPastTwo, FIRST, FIRST + (NIGHTS - 1) * DAY, step).map(
      ({ wallTime, dueAt }): Night => ({ logicalDate: dayText(wallTime), dueAt }),
    );
    const times = new CronTimes('30 2 * * *', zone);
    const random = mulberry32(1);
    const limit = 2;
    const decided: string[] = [];
    let waiting = nights;
    let watermark: Watermark = { at: (nights[0] as Night).dueAt - 1 };
    for (const { now, passes } of looks(random, (nights.at(-1) as Night).dueAt + 5 * MINUTE)) {
      const wanted = expected(waiting, policy as Policy, now, passes * limit);
      const found: string[] = [];
      for (let pass = 0, hasMore = true; hasMore && pass < passes; pass++) {
        const { decisions, ...rest } = decideDue(times, policy, watermark, now, limit);
        found.push(
          ...decisions.map(({ logicalDate, isMissed }) => `${logicalDate} ${isMissed ? 'missed' : 'run'}`),
        );
        ({ watermark, hasMore } = rest);
      }
      expect(found).toEqual(wanted);
      waiting = waiting.slice(found.length);
      decided.push(...found);
    }
    expect(decided.map((each) => each.slice(0, 10))).toEqual(nights.map(({ logicalDate }) => logicalDate));
    expect(decided).toHaveLength(NIGHTS);
    const missed = decided.filter((each) => each.endsWith('missed')).length;
    expect(missed > 0).toBe(policy.catch_up !== 'all');
  },
);
