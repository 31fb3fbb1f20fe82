/** What a clock on the wall of a time zone shows, as stretches of constant offset between its changes. */
import { didYouMean } from '@millrace/batch/did-you-mean';
import { Temporal } from 'temporal-polyfill';

/** Farther from UTC than any clock on Earth has ever been, changes across the date line included; in milliseconds. */
export const OFFSET_MAX_MS = 2 * 86_400_000;

/**
 * From `start` up to and without `end` the clock shows the instant plus `offset`.
 * Instants are milliseconds since the epoch. A *wall time* is what the clock shows, written as the instant at which a clock
 * on UTC shows the same, so that wall times are counted and compared like instants.
 */
export interface Stretch {
  start: number;
  /** Infinity after the last change that is known. */
  end: number;
  /** In milliseconds. */
  offset: number;
}

/** A ZoneClock is responsible for the changes of clocks of one IANA time zone. */
export class ZoneClock {
  /** @param zone an IANA name; throws a RangeError that says what is wrong with any other */
  constructor(readonly zone: string) {
    const problem = zoneProblem(zone);
    if (problem !== undefined) throw new RangeError(problem);
  }

  /** The wall time at an instant. */
  wallTime(instant: number): number {
    return instant + offsetOf(this.#at(instant));
  }

  /** `2026-11-20T02:30:00+01:00`, what the clock shows at an instant. */
  text(instant: number): string {
    return this.#at(instant).toString({ timeZoneName: 'never', smallestUnit: 'second' });
  }

  /** When the clock shows the same once more, having been set back; undefined when it does not. */
  shownAgainAt(instant: number): number | undefined {
    const wall = this.wallTime(instant);
    for (const { start, end, offset } of this.stretches(instant + 1, instant + OFFSET_MAX_MS)) {
      const again = wall - offset;
      if (again >= start && again < end) return again;
    }
    return undefined;
  }

  /** The stretches from an instant on, in order, as many as begin before `until`. The first begins at `from`. */
  *stretches(from: number, until: number): Generator<Stretch> {
    let start = from;
    while (start < until) {
      const now = this.#at(start);
      const change = now.getTimeZoneTransition('next');
      const end = change === null ? Number.POSITIVE_INFINITY : change.epochMilliseconds;
      yield { start, end, offset: offsetOf(now) };
      start = end;
    }
  }

  #at(instant: number): Temporal.ZonedDateTime {
    return Temporal.Instant.fromEpochMilliseconds(instant).toZonedDateTimeISO(this.zone);
  }
}

function offsetOf(time: Temporal.ZonedDateTime): number {
  return time.offsetNanoseconds / 1e6;
}

/** Why this is no IANA time zone, with the one that was probably meant; undefined when it is one. */
export function zoneProblem(zone: string): string | undefined {
  if (/^[A-Za-z]/.test(zone) && isKnown(zone)) return undefined;
  const hint = didYouMean(zone, ['UTC', ...Intl.supportedValuesOf('timeZone')]);
  return `must be an IANA time zone such as UTC or Europe/Berlin, not ${JSON.stringify(zone)}${hint}`;
}

function isKnown(zone: string): boolean {
  try {
    Temporal.Instant.fromEpochMilliseconds(0).toZonedDateTimeISO(zone);
    return true;
  } catch (error) {
    if (error instanceof RangeError) return false;
    throw error;
  }
}
