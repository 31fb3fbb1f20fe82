import { type CsvColumn, RowReader } from '@millrace/batch/rows/row-reader';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { manifestOf } from './manifest-of.js';
import { type Value, valuesOf } from './row-values.js';

const READER = new RowReader(manifestOf('x', { name: 'n', type: 'int', min: 0, max: 9 }));
const COLUMNS: CsvColumn[] = [1, 'id', 0];

function read(fields: string[]): Value[] | string {
  const inputs = READER.allocate(1);
  const problem = READER.readFields(fields, COLUMNS, inputs, 0);
  return problem === undefined
    ? inputs.flatMap((input) => valuesOf(input, 0))
    : `${problem.code}: ${problem.message}`;
}

it('each column goes to its feature', () => {
  expect(read(['2', 'r1', '1.5'])).toEqual([1.5, 2]);
});

describe('a field is read as', () => {
  it.each([
    ['1', 1],
    ['-1.5', -1.5],
    ['+2', 2],
    ['.5', 0.5],
    ['5.', 5],
    ['007', 7],
    ['1e3', 1000],
    ['1.5E-1', Math.fround(0.15)],
    [' 1 ', 1],
    ['\t1\u00a0', 1],
    ['-0', -0],
    ['1e-60', 0],
  ])('%j a number', (field, value) => {
    expect(read(['0', '', field])).toEqual([value, 0]);
  });

  it.each(['2', '2.0', '20e-1', ' 2 '])('%j a whole number', (field) => {
    expect(read([field, '', '0'])).toEqual([0, 2]);
  });

  it('the number that JavaScript prints', () => {
    fc.assert(
      fc.property(fc.float({ noNaN: true, noDefaultInfinity: true }), (value) => {
        expect(read(['0', '', String(value)])).toEqual([Number(String(value)), 0]);
      }),
    );
  });
});

describe('a field is not read when it', () => {
  const FLOAT32 = '-3.4028235e+38 to 3.4028235e+38';

  it.each([
    ['is empty', '', 'missing_feature: x: is missing'],
    ['is blank', '  ', 'missing_feature: x: is missing'],
    ...[
      '0x10',
      '0b1',
      '0o7',
      '1_000',
      'Infinity',
      '-inf',
      'NaN',
      'nan',
      'null',
      'true',
      '1,5',
      '1 2',
      '--1',
      '1e',
      'e5',
      '.',
      '-',
      '1.2.3',
      '٣',
      '1n',
      '"1"',
    ].map((field) => [
      `is ${field}`,
      field,
      `wrong_type: x: expected a number, got the string ${JSON.stringify(field)}`,
    ]),
    ['is larger than a float32', '3.5e38', `out_of_range: x: 3.5e+38 is outside ${FLOAT32}`],
    ['is larger than any number', '-1e999', `out_of_range: x: -Infinity is outside ${FLOAT32}`],
  ])('%s', (_, field, problem) => {
    expect(read(['0', '', field ?? ''])).toBe(problem);
  });

  it.each([
    ['2.5', 'wrong_type: n: expected a whole number, got 2.5'],
    ['10', 'out_of_range: n: 10 is outside 0 to 9'],
    ['-1', 'out_of_range: n: -1 is outside 0 to 9'],
    ['two', 'wrong_type: n: expected a whole number, got the string "two"'],
  ])('is no whole number in range: %s', (field, problem) => {
    expect(read([field, '', '0'])).toBe(problem);
  });

  it('is not a number, however long it is', { timeout: 5_000 }, () => {
    expect(read(['0', '', `${'1'.repeat(200_000)}x`])).toBe(
      `wrong_type: x: expected a number, got the string "${'1'.repeat(39)}…"`,
    );
  });
});

it('all problems of a record are named, in the order of the features', () => {
  expect(read(['', 'r1', 'a'])).toBe('wrong_type: x: expected a number, got the string "a"; n: is missing');
});

it.each([
  [['1', 'r1'], 2],
  [['1', 'r1', '2', ''], 4],
])('the fields %j are not as many as the columns', (fields, count) => {
  expect(read(fields)).toBe(`wrong_length: expected 3 fields, got ${count}`);
});
