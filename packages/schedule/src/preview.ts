/** The next times of a schedule, for people to check what they have written. */
import type { CronTimes, DueDate } from './cron-times.js';
import { writeDate } from './logical-date.js';

/** How many are told of a schedule that is made or changed. */
export const PREVIEW_DATES = 5;

export interface PreviewEntry {
  logical_date: string;
  /** What the clock shows then, with its distance from UTC: `2026-11-20T02:30:00+01:00`. */
  local: string;
  utc: string;
  /** What a change of the clocks does to it. */
  note?: string;
}

/** The first dates due after an instant, in milliseconds since the epoch; fewer than `count` when no more come within 50 years. */
export function previewOf(times: CronTimes, after: number, count = PREVIEW_DATES): PreviewEntry[] {
  const entries: PreviewEntry[] = [];
  for (const due of times.after({ at: after })) {
    if (entries.length === count) break;
    entries.push(entryOf(times, due));
  }
  return entries;
}

function entryOf(times: CronTimes, due: DueDate): PreviewEntry {
  const note = times.namesInstants ? undefined : noteOf(times, due);
  return {
    logical_date: due.logicalDate,
    local: times.clock.text(due.dueAt),
    utc: new Date(due.dueAt).toISOString(),
    ...(note === undefined ? {} : { note }),
  };
}

function noteOf({ clock }: CronTimes, { dueAt, wallTime }: DueDate): string | undefined {
  const named = writeDate('minute', wallTime);
  const shown = clock.wallTime(dueAt);
  if (shown !== wallTime) {
    const left = writeDate('minute', clock.wallTime(dueAt - 1) + 1);
    return `${named} is left out: the clocks go from ${left} to ${writeDate('minute', shown)}, when it is due`;
  }
  const again = clock.shownAgainAt(dueAt);
  return again === undefined
    ? undefined
    : `${named} comes twice, the second time at ${clock.text(again)}; it is due the first time`;
}
