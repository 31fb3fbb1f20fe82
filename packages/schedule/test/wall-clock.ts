/** A second opinion on time zones, slow and simple: it looks at the clock on the wall again and again. */
import type { DueDate } from '@millrace/schedule/cron-times';

export const SECOND = 1000;
export const MINUTE = 60 * SECOND;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;

const formats = new Map<string, Intl.DateTimeFormat>();

/** What the clock shows, written as the instant at which a clock on UTC shows the same. */
export function look(zone: string, instant: number): number {
  let format = formats.get(zone);
  if (format === undefined) {
    format = new Intl.DateTimeFormat('en-US', {
      timeZone: zone,
      hourCycle: 'h23',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
    });
    formats.set(zone, format);
  }
  const [month, day, year, hour, minute, second] = (format.format(instant).match(/\d+/g) ?? []).map(Number);
  return Date.UTC(year ?? 0, (month ?? 0) - 1, day, hour, minute, second);
}

export type Names = (wall: number) => boolean;

/** Every wall time of whole local days that is named, with the first instant at which the clock shows it or has passed it. */
export function slowLocalTimes(zone: string, names: Names, from: number, to: number, step = MINUTE): Slow[] {
  const found: Slow[] = [];
  let instant = from - 2 * DAY;
  let shown = look(zone, instant);
  for (let wall = from; wall < to + DAY; wall += step) {
    if (!names(wall)) continue;
    while (shown < wall) {
      instant += step;
      shown = look(zone, instant);
    }
    found.push({ wallTime: wall, dueAt: instant });
  }
  return found;
}

/** Every instant at which the clock shows a time that is named, and a day from the first to the last. */
export function slowInstants(zone: string, names: Names, from: number, to: number, step = MINUTE): Slow[] {
  const found: Slow[] = [];
  for (let instant = from - 2 * DAY; instant < to + 3 * DAY; instant += step) {
    const wall = look(zone, instant);
    if (wall >= from && wall < to + DAY && names(wall)) found.push({ wallTime: wall, dueAt: instant });
  }
  return found;
}

type Slow = Pick<DueDate, 'wallTime' | 'dueAt'>;

/** `2026-11-20`. */
export function dayText(time: number): string {
  return new Date(time).toISOString().slice(0, 10);
}
