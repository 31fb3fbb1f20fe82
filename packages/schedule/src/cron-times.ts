/**
 * The logical dates of a cron in a time zone, and the instant at which each is due.
 * A cron whose hour begins with `*` names instants: every one at which the clock shows such a time, through both passes of a
 * doubled hour. Any other names local times, each once: one that a change of clocks leaves out is due at the change, one
 * that comes twice is due the first time.
 */
import { Cron } from 'croner';
import { type CronFields, parseCron } from './cron-fields.js';
import { type DateForm, formWords, readDate, writeDate } from './logical-date.js';
import { ScheduleError } from './schedule-error.js';
import { OFFSET_MAX_MS, ZoneClock } from './zone-clock.js';

const SECOND_MS = 1000;
const DAY_MS = 86_400_000;
/** Whatever comes at all comes within 40 years: a 29 February on a given day of the week, across a year such as 2100. */
const HORIZON_MS = 50 * 366 * DAY_MS;

export interface DueDate {
  logicalDate: string;
  /** Milliseconds since the epoch. */
  dueAt: number;
  /** What the cron names; what the clock shows at `dueAt`, unless that is the end of a gap. */
  wallTime: number;
}

/**
 * How far a schedule's dates are dealt with: all that are due before `at`, and of those due at `at` itself those up to
 * `date`, all of them without one. (A change of clocks makes many dates due at once.)
 */
export interface Watermark {
  at: number;
  date?: string;
}

/** CronTimes is responsible for when a schedule is due. Every walk is lazy and has an end. */
export class CronTimes {
  readonly clock: ZoneClock;
  /** Whether its dates are instants, not local times. */
  readonly namesInstants: boolean;
  readonly #cron: Cron;
  readonly #form: DateForm;

  /** Throws a RangeError for a cron or a time zone that is none, and for a cron that never comes, such as a 30 February. */
  constructor(cron: string, timezone: string) {
    const fields = parseCron(cron);
    this.clock = new ZoneClock(timezone);
    // Without a function croner starts nothing. At an offset of 0 it reads and gives wall times.
    this.#cron = new Cron(fields.text, { mode: '6-part', utcOffset: 0 });
    this.#form = formOf(fields);
    this.namesInstants = fields.namesInstants;
    if (this.#cron.nextRun(new Date(0)) === null) {
      throw new RangeError(`"${cron}" never comes: none of its months has such a day`);
    }
  }

  /** The first date due after an instant; undefined when none comes within 50 years. */
  next(after: number): DueDate | undefined {
    return this.after({ at: after }).next().value;
  }

  /** The first dates after a watermark that are due by `until`, in order, at most `limit`. */
  between(after: Watermark, until: number, limit: number): DueDate[] {
    const dates: DueDate[] = [];
    for (const due of this.after(after, until)) {
      if (dates.length === limit) break;
      dates.push(due);
    }
    return dates;
  }

  /** The dates after a watermark that are due by `until`, in order, taken one by one. */
  *after({ at, date }: Watermark, until = at + HORIZON_MS): Generator<DueDate> {
    for (const due of this.#walk(date === undefined ? at + 1 : at, until + 1)) {
      const isDone = date !== undefined && due.dueAt === at && due.logicalDate <= date;
      if (!isDone) yield due;
    }
  }

  /**
   * The dates of whole local days, in order, taken one by one.
   * @param from the first day, `2026-11-20`
   * @param to the last day; throws a ScheduleError `invalid_range` when it is before the first, or either is none
   */
  range(from: string, to: string): Generator<DueDate> {
    const first = dayOf('from', from);
    const end = dayOf('to', to) + DAY_MS;
    if (first >= end) throw new ScheduleError('invalid_range', `from: ${from} is after to, ${to}`);
    return this.#shownIn(first, end);
  }

  /** The date of that name; throws a ScheduleError `invalid_logical_date` that says why there is none, with those near it. */
  at(logicalDate: string): DueDate {
    const time = readDate(this.#form, logicalDate);
    if (time === undefined) {
      throw new ScheduleError(
        'invalid_logical_date',
        `${JSON.stringify(logicalDate)} is no logical date of this schedule; must be ${formWords(this.#form)}`,
      );
    }
    const found = this.namesInstants
      ? this.#walk(time, time + 1)
      : this.#shownIn(time, time + (this.#form === 'day' ? DAY_MS : SECOND_MS));
    const due = found.next().value;
    if (due === undefined) throw this.#notNamed(logicalDate, time);
    return due;
  }

  #notNamed(logicalDate: string, time: number): ScheduleError {
    const near = this.namesInstants ? this.#nearInstants(time) : this.#nearWallTimes(time);
    return new ScheduleError(
      'invalid_logical_date',
      `${logicalDate} is no logical date of this schedule: its cron does not name it; the nearest are ${near.join(' and ')}`,
    );
  }

  #nearWallTimes(wall: number): string[] {
    const [before] = this.#cron.previousRuns(1, new Date(wall));
    const after = this.#cron.nextRun(new Date(wall));
    return [before, after ?? undefined].flatMap((each) =>
      each === undefined ? [] : [writeDate(this.#form, each.getTime())],
    );
  }

  #nearInstants(instant: number): string[] {
    const wall = this.clock.wallTime(instant);
    const [before] = this.#cron.previousRuns(1, new Date(wall));
    const shown =
      before === undefined ? [] : [...this.#shownIn(before.getTime(), before.getTime() + SECOND_MS)];
    const last = shown.findLast(({ dueAt }) => dueAt < instant);
    return [last, this.next(instant)].flatMap((each) => (each === undefined ? [] : [each.logicalDate]));
  }

  /** The dates whose wall times are in [first, end). */
  #shownIn(first: number, end: number): Generator<DueDate> {
    return this.#walk(first - OFFSET_MAX_MS, end + OFFSET_MAX_MS, first, end);
  }

  /** The dates due at instants in [from, until) whose wall times are in [first, end). */
  #walk(from: number, until: number, first = Number.NEGATIVE_INFINITY, end = Number.POSITIVE_INFINITY) {
    return this.namesInstants
      ? this.#instants(from, until, first, end)
      : this.#localTimes(from, until, first, end);
  }

  *#instants(from: number, until: number, first: number, end: number): Generator<DueDate> {
    for (const stretch of this.clock.stretches(from, until)) {
      const { offset } = stretch;
      const low = Math.max(stretch.start + offset, first);
      const high = Math.min(Math.min(stretch.end, until) + offset, end);
      for (const wall of this.#wallTimes(low, high)) {
        yield this.#due(wall, wall - offset);
      }
    }
  }

  /** Every wall time goes to the first stretch that shows it, or else to the start of the one that begins beyond it. */
  *#localTimes(from: number, until: number, first: number, end: number): Generator<DueDate> {
    let taken: number | undefined;
    // What an earlier stretch has taken is known from far enough before.
    for (const stretch of this.clock.stretches(from - OFFSET_MAX_MS, until)) {
      const { start, offset } = stretch;
      const shownFrom = start + offset;
      taken ??= shownFrom;
      if (start >= from) {
        for (const wall of this.#wallTimes(Math.max(taken, first), Math.min(shownFrom, end))) {
          yield this.#due(wall, start);
        }
      }
      const low = Math.max(taken, shownFrom, from + offset, first);
      const high = Math.min(Math.min(stretch.end, until) + offset, end);
      for (const wall of this.#wallTimes(low, high)) {
        yield this.#due(wall, wall - offset);
      }
      taken = Math.max(taken, stretch.end + offset);
    }
  }

  #due(wallTime: number, dueAt: number): DueDate {
    return { logicalDate: writeDate(this.#form, this.namesInstants ? dueAt : wallTime), dueAt, wallTime };
  }

  /** The times in [low, high) that the cron names, whatever the clocks do. */
  *#wallTimes(low: number, high: number): Generator<number> {
    if (low >= high) return;
    const before = Math.ceil(low / SECOND_MS) * SECOND_MS - SECOND_MS;
    let wall = this.#cron.nextRun(new Date(before));
    while (wall !== null && wall.getTime() < high) {
      yield wall.getTime();
      wall = this.#cron.nextRun(wall);
    }
  }
}

function formOf({ namesInstants, hours, minutes, seconds }: CronFields): DateForm {
  if (namesInstants) return 'instant';
  if (hours.size * minutes.size * seconds.size === 1) return 'day';
  return seconds.size === 1 && seconds.has(0) ? 'minute' : 'second';
}

function dayOf(name: string, text: string): number {
  const day = readDate('day', text);
  if (day !== undefined) return day;
  throw new ScheduleError(
    'invalid_range',
    `${name}: must be ${formWords('day')}, not ${JSON.stringify(text)}`,
  );
}
