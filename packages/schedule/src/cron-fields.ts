/**
 * The grammar of a cron, checked field by field, so that a refusal names the field, what is wrong and what would be right.
 * A field is a list of values, names, ranges and steps: `1,15`, `MON-FRI`, `8-18/2`, `*` with `/10`. The day of the month also
 * takes `L` (the last), `LW` (the last working day) and `15W` (the working day nearest to the 15th), the day of the week
 * `FRI#2` (the second Friday) and `FRI#L` (the last).
 */
import { shorten } from '@millrace/batch/rows/describe';

interface Field {
  name: string;
  min: number;
  max: number;
  /** Of the values from `min` on. */
  names: readonly string[];
  /** What may stand in the list besides; its first group is a value of the field. */
  special?: RegExp;
  /** What may stand there alone. */
  alone?: RegExp;
  example: string;
}

const MONTHS = ['JAN', 'FEB', 'MAR', 'APR', 'MAY', 'JUN', 'JUL', 'AUG', 'SEP', 'OCT', 'NOV', 'DEC'];
const WEEKDAYS = ['SUN', 'MON', 'TUE', 'WED', 'THU', 'FRI', 'SAT'];
const ITEM = /^(?:\*|(\w+)(?:-(\w+))?)(?:\/(\d+))?$/;

const SECOND: Field = { name: 'second', min: 0, max: 59, names: [], example: '0, */10 or 0-30/5' };
const MINUTE: Field = { name: 'minute', min: 0, max: 59, names: [], example: '30, 0,30 or */10' };
const HOUR: Field = { name: 'hour', min: 0, max: 23, names: [], example: '2, 2,14, 8-18/2 or *' };
const DAY: Field = {
  name: 'day of the month',
  min: 1,
  max: 31,
  names: [],
  special: /^(?:L|(\d+)W)$/,
  alone: /^LW$/,
  example: '1, 1,15, */2, L, LW, 15W or *',
};
const MONTH: Field = { name: 'month', min: 1, max: 12, names: MONTHS, example: '1, JAN-MAR, */3 or *' };
const WEEKDAY: Field = {
  name: 'day of the week',
  min: 0,
  max: 7,
  names: WEEKDAYS,
  special: /^(\w+)#[1-5L]$/,
  example: '1, MON-FRI, SAT,SUN, FRI#2, FRI#L or *',
};

export interface CronFields {
  /** All six fields, seconds first, in capitals. */
  text: string;
  seconds: ReadonlySet<number>;
  minutes: ReadonlySet<number>;
  hours: ReadonlySet<number>;
  /** Whether the hour begins with `*`: the cron names instants then, and local times otherwise. */
  namesInstants: boolean;
}

/** Reads 5 fields, or 6 with seconds first; throws a RangeError that says what is wrong with anything else. */
export function parseCron(cron: string): CronFields {
  const given = cron.trim().toUpperCase().split(/\s+/);
  if (given.length !== 5 && given.length !== 6) {
    const count = given[0] === '' ? 0 : given.length;
    throw new RangeError(
      `must have 5 fields (minute, hour, day of the month, month, day of the week) or 6 with seconds first, such as "30 2 * * *"; ${count === 1 ? 'there is 1' : `there are ${count}`}`,
    );
  }
  const parts = given.length === 6 ? given : ['0', ...given];
  const [second, minute, hour, day, month, weekday] = parts as [
    string,
    string,
    string,
    string,
    string,
    string,
  ];
  const fields: CronFields = {
    text: parts.join(' '),
    seconds: valuesOf(SECOND, second),
    minutes: valuesOf(MINUTE, minute),
    hours: valuesOf(HOUR, hour),
    namesInstants: hour.startsWith('*'),
  };
  valuesOf(DAY, day);
  valuesOf(MONTH, month);
  valuesOf(WEEKDAY, weekday);
  return fields;
}

/** The plain values of a field; special ones are checked only. */
function valuesOf(field: Field, text: string): Set<number> {
  const values = new Set<number>();
  if (field.alone?.test(text)) return values;
  for (const item of text.split(',')) {
    const special = field.special?.exec(item);
    if (special) {
      if (special[1] !== undefined) numberOf(field, special[1], item);
      continue;
    }
    for (const value of rangeOf(field, item)) values.add(value);
  }
  return values;
}

function rangeOf(field: Field, item: string): number[] {
  const match = ITEM.exec(item);
  if (match === null) refuse(field, item, 'is not understood');
  const [, first, last, stepText] = match;
  const low = first === undefined ? field.min : numberOf(field, first, item);
  const high = first === undefined ? field.max : highOf(field, last, low, item);
  if (low > high) refuse(field, item, 'begins after its end');
  if (stepText === undefined) return steps(low, high, 1);
  if (first !== undefined && last === undefined) {
    refuse(
      field,
      item,
      `has a step without a range; write "${first}-${field.max}/${stepText}" or "*/${stepText}"`,
    );
  }
  const step = Number(stepText);
  const stepMax = field.max - field.min + (field === WEEKDAY ? 0 : 1);
  if (step < 1 || step > stepMax) refuse(field, item, `has a step outside 1 to ${stepMax}`);
  return steps(low, high, step);
}

/** Sunday ends a week as well as it begins one: `SAT-SUN`. */
function highOf(field: Field, last: string | undefined, low: number, item: string): number {
  if (last === undefined) return low;
  return field === WEEKDAY && last === 'SUN' ? field.max : numberOf(field, last, item);
}

function numberOf(field: Field, text: string, item: string): number {
  const named = field.names.indexOf(text);
  if (named !== -1) return field.min + named;
  if (!/^\d+$/.test(text)) refuse(field, item, 'is not understood');
  const value = Number(text);
  if (value < field.min || value > field.max) refuse(field, item, `is outside ${field.min} to ${field.max}`);
  return value;
}

function steps(low: number, high: number, step: number): number[] {
  return Array.from({ length: Math.floor((high - low) / step) + 1 }, (_, index) => low + index * step);
}

function refuse(field: Field, item: string, what: string): never {
  throw new RangeError(
    `the ${field.name} ${JSON.stringify(shorten(item))} ${what}; must be as in ${field.example}`,
  );
}
