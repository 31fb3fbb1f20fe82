/** Which of the dates that have become due are run, and which are missed. */
import type { CronTimes, DueDate, Watermark } from './cron-times.js';
import type { Schedule } from './schedule.js';

/** The dates of one pass. After a long outage, a cron of seconds has hundreds of thousands due. */
export const PASS_DATES_MAX = 500;

export interface Decision extends DueDate {
  isMissed: boolean;
}

/** @property hasMore whether there are more dates by the same `now`; call again at once, with it and this watermark */
export interface Pass {
  decisions: readonly Decision[];
  watermark: Watermark;
  hasMore: boolean;
}

/**
 * Decides about the first dates after the watermark that are due by now, oldest first. On time is one found within the
 * start deadline. `none` runs those on time; `latest` runs the last of all, too; `all` runs all.
 * @param now when the dates are found, in milliseconds since the epoch; the same for all passes over one finding
 * @param limit dates per pass
 */
export function decideDue(
  times: CronTimes,
  { catch_up: catchUp, start_deadline: startDeadline }: Pick<Schedule, 'catch_up' | 'start_deadline'>,
  after: Watermark,
  now: number,
  limit = PASS_DATES_MAX,
): Pass {
  // A clock that was set back finds nothing again.
  if (now < after.at) return { decisions: [], watermark: after, hasMore: false };
  const found = times.between(after, now, limit + 1);
  const hasMore = found.length > limit;
  const handled = found.slice(0, limit);
  const last = handled.at(-1);
  const isRun = (due: DueDate): boolean =>
    catchUp === 'all' ||
    now - due.dueAt <= startDeadline * 1000 ||
    (catchUp === 'latest' && !hasMore && due === last);
  return {
    decisions: handled.map((due) => ({ ...due, isMissed: !isRun(due) })),
    watermark: hasMore && last !== undefined ? { at: last.dueAt, date: last.logicalDate } : { at: now },
    hasMore,
  };
}
