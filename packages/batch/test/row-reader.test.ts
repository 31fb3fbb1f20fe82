import { RowReader } from '@millrace/batch/rows/row-reader';
import { describe, expect, it } from 'vitest';
import { manifestOf } from './manifest-of.js';
import { readJson as read, valuesOf } from './row-values.js';

const MIXED = new RowReader(
  manifestOf(
    'x',
    { name: 'share', type: 'float', min: -1, max: 0.5 },
    { name: 'n', type: 'int', min: 0, max: 9 },
  ),
);

describe('a row is read', () => {
  it.each([
    ['as an object', '{"x":1.5,"share":0.25,"n":2}', [1.5, 0.25, 2]],
    ['as an object in any order', '{"n":2,"share":0.25,"x":1.5}', [1.5, 0.25, 2]],
    ['as an array', '[1.5,0.25,2]', [1.5, 0.25, 2]],
    ['with an id', '{"id":"r1","x":1.5,"share":0.25,"n":2}', [1.5, 0.25, 2]],
    ['with an id that is null', '{"id":null,"x":1.5,"share":0.25,"n":2}', [1.5, 0.25, 2]],
    ['with a value given twice, the last one', '{"x":1,"share":0,"n":2,"x":3}', [3, 0, 2]],
    ['at the bounds', '[0,-1,0]', [0, -1, 0]],
    ['at the other bounds', '[0,0.5,9]', [0, 0.5, 9]],
    ['with a whole number in other spellings', '[0,0,3.0]', [0, 0, 3]],
    ['with exponents', '[1e2,-1e0,0.3e1]', [100, -1, 3]],
    ['with minus zero', '[-0,-0,-0]', [-0, -0, -0]],
    ['with the largest float32', '[3.4028234663852886e38,0,0]', [3.4028234663852886e38, 0, 0]],
    ['with the largest float32 as it prints', '[3.4028235e38,0,0]', [3.4028234663852886e38, 0, 0]],
    ['with the smallest float32', '[-3.4028234663852886e38,0,0]', [-3.4028234663852886e38, 0, 0]],
    ['rounded to float32', '[0.1,0,0]', [Math.fround(0.1), 0, 0]],
    ['with a value too small for float32 as zero', '[1e-50,0,0]', [0, 0, 0]],
  ])('%s', (_, row, values) => {
    expect(read(MIXED, row)).toEqual(values);
  });

  it('to its place in the tensor', () => {
    const inputs = MIXED.allocate(3);
    expect(MIXED.read([1, 0, 2], inputs, 1)).toBeUndefined();
    expect([0, 1, 2].map((row) => inputs.map((input) => valuesOf(input, row)))).toEqual([
      [[0, 0, 0]],
      [[1, 0, 2]],
      [[0, 0, 0]],
    ]);
  });
});

describe('an object is not read', () => {
  it.each([
    ['{"share":0,"n":2}', 'missing_feature: x: is missing'],
    ['{"x":1,"share":0,"n":2,"colour":3}', 'unknown_feature: colour: the model has no such feature'],
    [
      '{"x":1,"shara":0,"n":2}',
      'missing_feature: share: is missing; shara: the model has no such feature; did you mean "share"?',
    ],
    [
      '{"X":1,"share":0,"n":2}',
      'missing_feature: x: is missing; X: the model has no such feature; did you mean "x"?',
    ],
    ['{"x":1,"share":0,"n":2,"shara":0}', 'unknown_feature: shara: the model has no such feature'],
    ['{"x":"1","share":0,"n":2}', 'wrong_type: x: expected a number, got the string "1"'],
    ['{"x":"","share":0,"n":2}', 'wrong_type: x: expected a number, got the string ""'],
    ['{"x":null,"share":0,"n":2}', 'wrong_type: x: expected a number, got null'],
    ['{"x":true,"share":0,"n":2}', 'wrong_type: x: expected a number, got true'],
    ['{"x":[1],"share":0,"n":2}', 'wrong_type: x: expected a number, got an array of 1 values'],
    ['{"x":{"x":1},"share":0,"n":2}', 'wrong_type: x: expected a number, got an object'],
    ['{"x":1,"share":0.51,"n":2}', 'out_of_range: share: 0.51 is outside -1 to 0.5'],
    ['{"x":1,"share":-1.01,"n":2}', 'out_of_range: share: -1.01 is outside -1 to 0.5'],
    ['{"x":1,"share":0,"n":10}', 'out_of_range: n: 10 is outside 0 to 9'],
    ['{"x":1,"share":0,"n":-1}', 'out_of_range: n: -1 is outside 0 to 9'],
    ['{"x":1,"share":0,"n":1e999}', 'out_of_range: n: Infinity is outside 0 to 9'],
    ['{"x":1,"share":0,"n":2.5}', 'wrong_type: n: expected a whole number, got 2.5'],
    ['{"x":1,"share":0,"n":10.5}', 'wrong_type: n: expected a whole number, got 10.5'],
    ['{"x":1,"share":0,"n":"2"}', 'wrong_type: n: expected a whole number, got the string "2"'],
    ['{"x":1,"share":0,"n":false}', 'wrong_type: n: expected a whole number, got false'],
    [
      '{"x":1,"share":9,"n":null}',
      'out_of_range: share: 9 is outside -1 to 0.5; n: expected a whole number, got null',
    ],
    ['{}', 'missing_feature: x: is missing; share: is missing; n: is missing'],
    [
      '{"a1":0,"a2":0,"a3":0}',
      'missing_feature: x: is missing; share: is missing; n: is missing; a1: the model has no such feature; a2: the model has no such feature; and 1 more',
    ],
    [
      `{"x":"${'y'.repeat(40)}","share":0,"n":2}`,
      `wrong_type: x: expected a number, got the string "${'y'.repeat(40)}"`,
    ],
    ['{"x":3.5e38,"share":0,"n":2}', 'out_of_range: x: 3.5e+38 is outside -3.4028235e+38 to 3.4028235e+38'],
    [
      `{"x":"${'y'.repeat(41)}","share":0,"n":2}`,
      `wrong_type: x: expected a number, got the string "${'y'.repeat(39)}…"`,
    ],
  ])('%s', (row, problem) => {
    expect(read(MIXED, row)).toBe(problem);
  });

  it('with whole numbers that float32 would change', () => {
    const reader = new RowReader(manifestOf({ name: 'n', type: 'int' }));
    expect(read(reader, '{"n":16777216}')).toEqual([16777216]);
    expect(read(reader, '{"n":-16777216}')).toEqual([-16777216]);
    expect(read(reader, '{"n":16777217}')).toBe('out_of_range: n: 16777217 is outside -16777216 to 16777216');
  });

  it('with a long name cut between two letters, not within one', () => {
    const problem = read(MIXED, `{"x":1,"share":0,"n":2,"${'a'.repeat(38)}😀😀":3}`);
    expect(problem).toBe(`unknown_feature: ${'a'.repeat(38)}…: the model has no such feature`);
  });

  it('in a moment when it has another name for each of many features', { timeout: 5_000 }, () => {
    const names = (stem: string) => Array.from({ length: 2000 }, (_, index) => `${stem}_${index}`);
    const row = JSON.stringify(Object.fromEntries(names('colum').map((name) => [name, 1])));
    const reader = new RowReader(manifestOf(...names('column')));
    for (let times = 0; times < 5; times++) expect(read(reader, row)).toMatch(/; and 3995 more$/);
  });
});

describe('any other row is not read', () => {
  it.each([
    ['[]', 'wrong_length: expected 3 values, got 0'],
    ['[1,0,2,3]', 'wrong_length: expected 3 values, got 4'],
    [
      '["1",null,2]',
      'wrong_type: x: expected a number, got the string "1"; share: expected a number, got null',
    ],
    ['[[1,0,2]]', 'wrong_length: expected 3 values, got 1'],
    ['null', 'wrong_row_type: expected an object or an array of 3 values, got null'],
    ['1.5', 'wrong_row_type: expected an object or an array of 3 values, got 1.5'],
    ['true', 'wrong_row_type: expected an object or an array of 3 values, got true'],
    ['"1,0,2"', 'wrong_row_type: expected an object or an array of 3 values, got the string "1,0,2"'],
  ])('%s', (row, problem) => {
    expect(read(MIXED, row)).toBe(problem);
  });
});

describe('a model with one feature', () => {
  it.each([
    ['1.5', [1.5]],
    ['[1.5]', [1.5]],
    ['{"x":1.5}', [1.5]],
    ['"1.5"', 'wrong_type: x: expected a number, got the string "1.5"'],
    ['null', 'wrong_type: x: expected a number, got null'],
    ['false', 'wrong_type: x: expected a number, got false'],
    ['[]', 'wrong_length: expected 1 values, got 0'],
    ['1e39', 'out_of_range: x: 1e+39 is outside -3.4028235e+38 to 3.4028235e+38'],
  ])('reads %s', (row, result) => {
    expect(read(new RowReader(manifestOf('x')), row)).toEqual(result);
  });
});

describe('names that every object inherits', () => {
  const INHERITED = new RowReader(manifestOf('__proto__', 'constructor', 'toString'));

  it.each([
    ['{"__proto__":1,"constructor":2,"toString":3}', [1, 2, 3]],
    ['{}', 'missing_feature: __proto__: is missing; constructor: is missing; toString: is missing'],
    [
      '{"__proto__":{"constructor":2,"toString":3}}',
      'wrong_type: __proto__: expected a number, got an object; constructor: is missing; toString: is missing',
    ],
  ])('are features: %s', (row, result) => {
    expect(read(INHERITED, row)).toEqual(result);
  });

  it.each([
    ['{"x":1,"__proto__":2}', 'unknown_feature: __proto__: the model has no such feature'],
    ['{"x":1,"hasOwnProperty":2}', 'unknown_feature: hasOwnProperty: the model has no such feature'],
    ['{"__proto__":{"x":1}}', 'missing_feature: x: is missing; __proto__: the model has no such feature'],
  ])('are no features: %s', (row, result) => {
    expect(read(new RowReader(manifestOf('x')), row)).toEqual(result);
  });
});
