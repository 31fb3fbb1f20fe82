/** Any cron of 5 fields, as text and as what it names, by code that shares nothing with what is tested. */
import fc from 'fast-check';
import { DAY, type Names } from './wall-clock.js';

interface Part {
  text: string;
  /** @param value of the field; @param wall the day, where the field is one of days */
  has: (value: number, wall: number) => boolean;
}

const MONTHS = ['JAN', 'FEB', 'MAR', 'APR', 'MAY', 'JUN', 'JUL', 'AUG', 'SEP', 'OCT', 'NOV', 'DEC'];
const WEEKDAYS = ['SUN', 'MON', 'TUE', 'WED', 'THU', 'FRI', 'SAT'];

const every: Part = { text: '*', has: () => true };

function value(min: number, max: number, names: readonly string[] = []): fc.Arbitrary<Part> {
  return fc
    .record({ number: fc.integer({ min, max }), isNamed: fc.boolean() })
    .map(({ number, isNamed }) => ({
      text: isNamed ? (names[number - min] ?? String(number)) : String(number),
      has: (each) => each === number,
    }));
}

function range(min: number, max: number): fc.Arbitrary<Part> {
  return fc
    .tuple(fc.integer({ min, max }), fc.integer({ min, max }), fc.integer({ min: 1, max: max - min }))
    .map(([one, other, step]) => {
      const [low, high] = [Math.min(one, other), Math.max(one, other)];
      return {
        text: step === 1 ? `${low}-${high}` : `${low}-${high}/${step}`,
        has: (each) => each >= low && each <= high && (each - low) % step === 0,
      };
    });
}

function stepped(min: number, max: number): fc.Arbitrary<Part> {
  return fc
    .integer({ min: 1, max: max - min + 1 })
    .map((step) => ({ text: `*/${step}`, has: (each) => (each - min) % step === 0 }));
}

function list(item: fc.Arbitrary<Part>): fc.Arbitrary<Part> {
  return fc.array(item, { minLength: 1, maxLength: 3 }).map((items) => ({
    text: items.map(({ text }) => text).join(','),
    has: (each, wall) => items.some(({ has }) => has(each, wall)),
  }));
}

const lastDay: Part = { text: 'L', has: (day, wall) => day === daysOfMonth(wall) };
const lastWorkday: Part = { text: 'LW', has: (day, wall) => day === nearestWorkday(wall, daysOfMonth(wall)) };
const workday = fc
  .integer({ min: 1, max: 31 })
  .map((near): Part => ({ text: `${near}W`, has: (day, wall) => day === nearestWorkday(wall, near) }));
const nthWeekday = fc.tuple(value(0, 6, WEEKDAYS), fc.integer({ min: 1, max: 5 })).map(
  ([weekday, nth]): Part => ({
    text: `${weekday.text}#${nth}`,
    has: (each, wall) => weekday.has(each, wall) && Math.ceil(dayOf(wall) / 7) === nth,
  }),
);
const lastWeekday = value(0, 6, WEEKDAYS).map(
  (weekday): Part => ({
    text: `${weekday.text}#L`,
    has: (each, wall) => weekday.has(each, wall) && dayOf(wall) > daysOfMonth(wall) - 7,
  }),
);

const minutes = fc.oneof(value(0, 59), list(value(0, 59)), stepped(0, 59), range(0, 59));
const localHours = fc.oneof(value(0, 3), value(0, 23), list(value(0, 23)), range(0, 23));
const instantHours = fc.oneof(fc.constant(every), stepped(0, 23));
const days = fc.oneof(
  { weight: 4, arbitrary: fc.constant(every) },
  fc.constant(lastWorkday),
  list(fc.oneof(value(1, 31), range(1, 31), stepped(1, 31), fc.constant(lastDay), workday)),
);
const months = fc.oneof(
  { weight: 3, arbitrary: fc.constant(every) },
  list(value(1, 12, MONTHS)),
  range(1, 12),
);
const weekdays = fc.oneof(
  { weight: 4, arbitrary: fc.constant(every) },
  list(fc.oneof(value(0, 6, WEEKDAYS), range(0, 6), nthWeekday, lastWeekday)),
);

export interface AnyCron {
  text: string;
  names: Names;
}

export const localCron = cronOf(minutes, localHours);
export const instantCron = cronOf(minutes, instantHours);
const zero = fc.constant<Part>({ text: '0', has: (each) => each === 0 });
export const midnightCron = cronOf(zero, zero);

function cronOf(minutes: fc.Arbitrary<Part>, hours: fc.Arbitrary<Part>): fc.Arbitrary<AnyCron> {
  return fc.tuple(minutes, hours, days, months, weekdays).map(([minute, hour, day, month, weekday]) => ({
    text: [minute, hour, day, month, weekday].map(({ text }) => text).join(' '),
    names: (wall) => {
      const date = new Date(wall);
      const isDay = day.has(dayOf(wall), wall);
      const isWeekday = weekday.has(date.getUTCDay(), wall);
      // As cron has always done it: of two day fields that are not `*`, either is enough.
      const isEither = day.text !== '*' && weekday.text !== '*';
      return (
        minute.has(date.getUTCMinutes(), wall) &&
        hour.has(date.getUTCHours(), wall) &&
        month.has(date.getUTCMonth() + 1, wall) &&
        (isEither ? isDay || isWeekday : isDay && isWeekday)
      );
    },
  }));
}

function dayOf(wall: number): number {
  return new Date(wall).getUTCDate();
}

function daysOfMonth(wall: number): number {
  const date = new Date(wall);
  return new Date(Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 0)).getUTCDate();
}

/** The Monday to Friday of the month that is nearest to a day of it; none where the month has no such day. */
function nearestWorkday(wall: number, near: number): number | undefined {
  const last = daysOfMonth(wall);
  if (near > last) return undefined;
  const first = new Date(wall).setUTCDate(1);
  const candidates = [near, near - 1, near + 1, near - 2, near + 2];
  return candidates.find((day) => {
    const weekday = new Date(first + (day - 1) * DAY).getUTCDay();
    return day >= 1 && day <= last && weekday >= 1 && weekday <= 5;
  });
}
