import { parseCron } from '@millrace/schedule/cron-fields';
import { Cron } from 'croner';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

const FIELDS =
  'must have 5 fields (minute, hour, day of the month, month, day of the week) or 6 with seconds first, such as "30 2 * * *"';

describe('a cron is refused by the field', () => {
  it.each([
    ['', `${FIELDS}; there are 0`],
    ['30', `${FIELDS}; there is 1`],
    ['30 2 * *', `${FIELDS}; there are 4`],
    ['0 30 2 * * * 2026', `${FIELDS}; there are 7`],
    ['@daily', `${FIELDS}; there is 1`],
    ['60 * * * *', 'the minute "60" is outside 0 to 59; must be as in 30, 0,30 or */10'],
    ['61 30 2 * * *', 'the second "61" is outside 0 to 59; must be as in 0, */10 or 0-30/5'],
    ['0 24 * * *', 'the hour "24" is outside 0 to 23; must be as in 2, 2,14, 8-18/2 or *'],
    ['0 0 0 * *', 'the day of the month "0" is outside 1 to 31; must be as in 1, 1,15, */2, L, LW, 15W or *'],
    [
      '0 0 32W * *',
      'the day of the month "32W" is outside 1 to 31; must be as in 1, 1,15, */2, L, LW, 15W or *',
    ],
    [
      '0 0 LW,3 * *',
      'the day of the month "LW" is not understood; must be as in 1, 1,15, */2, L, LW, 15W or *',
    ],
    ['0 0 ? * *', 'the day of the month "?" is not understood; must be as in 1, 1,15, */2, L, LW, 15W or *'],
    ['0 0 * FOO *', 'the month "FOO" is not understood; must be as in 1, JAN-MAR, */3 or *'],
    ['0 0 * 13 *', 'the month "13" is outside 1 to 12; must be as in 1, JAN-MAR, */3 or *'],
    [
      '0 0 * * 8',
      'the day of the week "8" is outside 0 to 7; must be as in 1, MON-FRI, SAT,SUN, FRI#2, FRI#L or *',
    ],
    [
      '0 0 * * FRI#6',
      'the day of the week "FRI#6" is not understood; must be as in 1, MON-FRI, SAT,SUN, FRI#2, FRI#L or *',
    ],
    [
      '0 0 * * FRIDAY#2',
      'the day of the week "FRIDAY#2" is not understood; must be as in 1, MON-FRI, SAT,SUN, FRI#2, FRI#L or *',
    ],
    [
      '0 0 * * FRI-MON',
      'the day of the week "FRI-MON" begins after its end; must be as in 1, MON-FRI, SAT,SUN, FRI#2, FRI#L or *',
    ],
    [
      '0 0 * * */8',
      'the day of the week "*/8" has a step outside 1 to 7; must be as in 1, MON-FRI, SAT,SUN, FRI#2, FRI#L or *',
    ],
    [
      '0 0 * * +MON',
      'the day of the week "+MON" is not understood; must be as in 1, MON-FRI, SAT,SUN, FRI#2, FRI#L or *',
    ],
    ['0 22-2 * * *', 'the hour "22-2" begins after its end; must be as in 2, 2,14, 8-18/2 or *'],
    [
      '5/15 * * * *',
      'the minute "5/15" has a step without a range; write "5-59/15" or "*/15"; must be as in 30, 0,30 or */10',
    ],
    ['*/0 * * * *', 'the minute "*/0" has a step outside 1 to 60; must be as in 30, 0,30 or */10'],
    ['*/61 * * * *', 'the minute "*/61" has a step outside 1 to 60; must be as in 30, 0,30 or */10'],
    ['1,,2 * * * *', 'the minute "" is not understood; must be as in 30, 0,30 or */10'],
    ['-1 * * * *', 'the minute "-1" is not understood; must be as in 30, 0,30 or */10'],
    ['1.5 * * * *', 'the minute "1.5" is not understood; must be as in 30, 0,30 or */10'],
  ])('%s', (cron, message) => {
    expect(() => parseCron(cron)).toThrow(new RangeError(message));
  });
});

it('a cron is read with blanks and small letters of any number', () => {
  expect(parseCron('  30\t2   * jan  mon ').text).toBe('0 30 2 * JAN MON');
});

it.each([
  ['30 2 * * *', false],
  ['* 2 * * *', false],
  ['0 0-23 * * *', false],
  ['0 * * * *', true],
  ['0 */6 * * *', true],
  ['0 */6,3 * * *', true],
  ['*/5 30 2 * * *', false],
  ['*/5 * * * * *', true],
])('the cron "%s" names instants: %s', (cron, namesInstants) => {
  expect(parseCron(cron).namesInstants).toBe(namesInstants);
});

it('what is accepted here is understood there, and every refusal is a RangeError', () => {
  const atom = fc.oneof(
    fc.integer({ min: 0, max: 61 }).map(String),
    fc.constantFrom(
      '*',
      'MON',
      'SUN',
      'JAN',
      'DEC',
      'L',
      'LW',
      '15W',
      '31W',
      'FRI#2',
      'MON#L',
      '7#5',
      'L#1',
      'W',
      '',
    ),
  );
  const item = fc.oneof(
    atom,
    fc.tuple(atom, atom).map(([low, high]) => `${low}-${high}`),
    fc.tuple(atom, fc.integer({ min: 0, max: 61 })).map(([base, step]) => `${base}/${step}`),
    fc
      .tuple(atom, atom, fc.integer({ min: 1, max: 31 }))
      .map(([low, high, step]) => `${low}-${high}/${step}`),
  );
  const part = fc.array(item, { minLength: 1, maxLength: 3 }).map((items) => items.join(','));
  const position = fc.integer({ min: 0, max: 5 });
  let accepted = 0;
  fc.assert(
    fc.property(fc.oneof(part, fc.string()), position, (text, place) => {
      const fields = ['0', '0', '0', '*', '*', '*'].map((field, index) => (index === place ? text : field));
      let cron: string;
      try {
        cron = parseCron(fields.join(' ')).text;
      } catch (error) {
        expect(error).toBeInstanceOf(RangeError);
        return;
      }
      accepted += 1;
      expect(() => new Cron(cron, { mode: '6-part' })).not.toThrow();
    }),
    { numRuns: 3000 },
  );
  expect(accepted).toBeGreaterThan(100);
});
