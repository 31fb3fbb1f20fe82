import { RowReader } from '@millrace/batch/rows/row-reader';
import { describe, expect, it } from 'vitest';
import { type FeatureFile, tensorOf } from './manifest-of.js';
import { readJson, rowShape } from './row-values.js';

type ElementType = Parameters<typeof tensorOf>[0];

/** The reader of one feature `x` in a tensor of its own. */
const readerOf = (type: ElementType, feature: Omit<FeatureFile, 'name'>) =>
  new RowReader(tensorOf(type, { name: 'x', ...feature } as FeatureFile));

const many = Array.from({ length: 11 }, (_, index) => `c${index}`);
const SETTINGS = {
  float: readerOf('float64', { type: 'float', min: -1, max: 0.5 }),
  int: readerOf('int32', { type: 'int', min: 0, max: 9 }),
  bool: readerOf('bool', { type: 'bool' }),
  string: readerOf('string', { type: 'string', max_length: 3 }),
  words: readerOf('string', { type: 'category', values: ['red', 'green', 'blue', ''] }),
  places: readerOf('int64', { type: 'category', values: ['red', 'green', 'blue'] }),
  numbers: readerOf('float32', { type: 'category', values: [10, 20.5, 0] }),
  many: readerOf('int8', { type: 'category', values: many }),
  vector: readerOf('float32', { type: 'vector', length: 3, max: 9 }),
  whole: readerOf('int64', { type: 'vector', length: 2, element: 'int' }),
  flags: readerOf('bool', { type: 'vector', length: 2, element: 'bool' }),
  texts: readerOf('string', { type: 'vector', length: 2, element: 'string' }),
  fixed: readerOf('float32', { type: 'tensor', shape: [2, 3] }),
  open: readerOf('int64', { type: 'tensor', shape: [null], element: 'int', min: 0 }),
  sequence: readerOf('float32', { type: 'tensor', shape: [null, 2] }),
  image: readerOf('uint8', { type: 'tensor', shape: [null, null, 1], element: 'int' }),
};
type Setting = keyof typeof SETTINGS;

/** The value of `x` as an object row. */
const read = (setting: Setting, value: string) => readJson(SETTINGS[setting], `{"x":${value}}`);

it.each<[Setting, string, unknown[]]>([
  ['float', '0.25', [0.25]],
  ['float', '-1', [-1]],
  ['float', '5e-1', [0.5]],
  ['int', '9', [9]],
  ['int', '2.0', [2]],
  ['bool', 'true', [1]],
  ['bool', 'false', [0]],
  ['string', '"abc"', ['abc']],
  ['string', '""', ['']],
  ['string', '"\\u00e9\\"\\n"', ['é"\n']],
  ['words', '"green"', ['green']],
  ['words', '""', ['']],
  ['places', '"red"', [0n]],
  ['places', '"blue"', [2n]],
  ['numbers', '20.5', [20.5]],
  ['numbers', '1e1', [10]],
  ['numbers', '0', [0]],
  ['many', '"c10"', [10]],
  ['vector', '[1,-2.5,9]', [1, -2.5, 9]],
  ['whole', '[1,"9007199254740993"]', [1n, 9007199254740993n]],
  ['flags', '[true,false]', [1, 0]],
  ['texts', '["","b"]', ['', 'b']],
  ['fixed', '[[1,2,3],[4,5,6]]', [1, 2, 3, 4, 5, 6]],
  ['open', '[7]', [7n]],
  ['open', '[1,2,3,4]', [1n, 2n, 3n, 4n]],
  ['sequence', '[[1,2],[3,4],[5,6]]', [1, 2, 3, 4, 5, 6]],
  ['image', '[[[1],[2]],[[3],[4]],[[5],[6]]]', [1, 2, 3, 4, 5, 6]],
])('a value of %s may be %s', (setting, value, values) => {
  expect(read(setting, value)).toEqual(values);
});

it.each<[Setting, string, string]>([
  ['float', '0.51', 'out_of_range: x: 0.51 is outside -1 to 0.5'],
  ['float', '"0"', 'wrong_type: x: expected a number, got the string "0"'],
  ['float', '"NaN"', 'wrong_type: x: expected a number, got the string "NaN"'],
  ['float', 'true', 'wrong_type: x: expected a number, got true'],
  ['float', 'null', 'wrong_type: x: expected a number, got null'],
  ['int', '2.5', 'wrong_type: x: expected a whole number, got 2.5'],
  ['int', '10', 'out_of_range: x: 10 is outside 0 to 9'],
  ['int', '"2"', 'wrong_type: x: expected a whole number, got the string "2"'],
  ['bool', '1', 'wrong_type: x: expected true or false, got 1'],
  ['bool', '"true"', 'wrong_type: x: expected true or false, got the string "true"'],
  ['bool', 'null', 'wrong_type: x: expected true or false, got null'],
  ['string', '"abcd"', 'wrong_length: x: expected at most 3 characters, got 4'],
  ['string', '"😀😀"', 'wrong_length: x: expected at most 3 characters, got 4'],
  [
    'string',
    '"a\\u0000"',
    'out_of_range: x: holds U+0000 at position 1, where ONNX Runtime would cut the text off',
  ],
  ['string', '1', 'wrong_type: x: expected a string, got 1'],
  ['string', '["a"]', 'wrong_type: x: expected a string, got an array of 1 values'],
  ['words', '"gren"', 'unknown_category: x: "gren" is not one of its 4 values; did you mean "green"?'],
  ['words', '"Red"', 'unknown_category: x: "Red" is not one of its 4 values; did you mean "red"?'],
  ['words', '0', 'wrong_type: x: expected a string, got 0'],
  ['places', '"mauve"', 'unknown_category: x: "mauve" is not one of its 3 values: red, green, blue'],
  ['places', '1', 'wrong_type: x: expected a string, got 1'],
  ['places', '{}', 'wrong_type: x: expected a string, got an object'],
  [
    'places',
    '"constructor"',
    'unknown_category: x: "constructor" is not one of its 3 values: red, green, blue',
  ],
  ['numbers', '20', 'unknown_category: x: 20 is not one of its 3 values: 10, 20.5, 0'],
  ['numbers', '"10"', 'wrong_type: x: expected a number, got the string "10"'],
  ['many', '"mauve"', 'unknown_category: x: "mauve" is not one of its 11 values'],
  ['vector', '[1,2]', 'wrong_length: x: expected 3 values, got 2'],
  ['vector', '[1,2,3,4]', 'wrong_length: x: expected 3 values, got 4'],
  ['vector', '[]', 'wrong_length: x: expected 3 values, got 0'],
  ['vector', '5', 'wrong_type: x: expected an array of 3 values, got 5'],
  ['vector', '"1,2,3"', 'wrong_type: x: expected an array of 3 values, got the string "1,2,3"'],
  ['vector', 'null', 'wrong_type: x: expected an array of 3 values, got null'],
  ['vector', '{"0":1,"1":2,"2":3,"length":3}', 'wrong_type: x: expected an array of 3 values, got an object'],
  ['vector', '[1,"2",null]', 'wrong_type: x[1]: expected a number, got the string "2"'],
  ['vector', '[1,2,9.5]', 'out_of_range: x[2]: 9.5 is outside -3.4028235e+38 to 9'],
  ['whole', '[1,2.5]', 'wrong_type: x[1]: expected a whole number, got 2.5'],
  ['flags', '[true,0]', 'wrong_type: x[1]: expected true or false, got 0'],
  ['texts', '["a",1]', 'wrong_type: x[1]: expected a string, got 1'],
  ['fixed', '[[1,2,3],[4,5]]', 'wrong_length: x[1]: expected 3 values, got 2'],
  ['fixed', '[[1,2,3]]', 'wrong_length: x: expected 2 values, got 1'],
  ['fixed', '[1,2,3,4,5,6]', 'wrong_length: x: expected 2 values, got 6'],
  ['fixed', '[[1,2,3],4]', 'wrong_type: x[1]: expected an array of 3 values, got 4'],
  ['fixed', '[[1,2,3],[4,null,6]]', 'wrong_type: x[1][1]: expected a number, got null'],
  ['fixed', '[[1,2,[3]],[4,5,6]]', 'wrong_type: x[0][2]: expected a number, got an array of 1 values'],
  ['open', '[]', 'wrong_length: x: is empty'],
  ['open', '7', 'wrong_type: x: expected an array of any number of values, got 7'],
  ['open', '[1,-1]', 'out_of_range: x[1]: -1 is outside 0 to 9223372036854775807'],
  ['sequence', '[[1,2],[3]]', 'wrong_length: x[1]: expected 2 values, got 1'],
  ['sequence', '[[]]', 'wrong_length: x[0]: expected 2 values, got 0'],
  ['sequence', '[1,2]', 'wrong_type: x[0]: expected an array of 2 values, got 1'],
  ['image', '[[[1],[2]],[[3]]]', 'wrong_length: x[1]: expected 2 values as in the array before it, got 1'],
  ['image', '[[],[]]', 'wrong_length: x[0]: is empty'],
  ['image', '[[[1,2]]]', 'wrong_length: x[0][0]: expected 1 values, got 2'],
  ['image', '[[[256]]]', 'out_of_range: x[0][0][0]: 256 is outside 0 to 255'],
])('a value of %s may not be %s', (setting, value, problem) => {
  expect(read(setting, value)).toBe(problem);
});

it.each(Object.keys(SETTINGS) as Setting[])('a row without %s is not read', (setting) => {
  expect(readJson(SETTINGS[setting], '{}')).toBe('missing_feature: x: is missing');
});

it('a category of many values is refused in a moment, for many rows', { timeout: 5_000 }, () => {
  const values = Array.from({ length: 100_000 }, (_, index) => `item_${index}`);
  const reader = readerOf('int64', { type: 'category', values });
  for (let row = 0; row < 16_384; row++) {
    expect(readJson(reader, `{"x":"itm_${row}"}`)).toBe(
      `unknown_category: x: "itm_${row}" is not one of its 100000 values`,
    );
  }
});

describe('a tensor of open sizes', () => {
  it('has the shape of each row', () => {
    const inputs = SETTINGS.image.allocate(2);
    expect(SETTINGS.image.read({ x: [[[1], [2], [3]]] }, inputs, 0)).toBeUndefined();
    expect(SETTINGS.image.read({ x: [[[1]], [[2]]] }, inputs, 1)).toBeUndefined();
    expect(inputs.flatMap((input) => [rowShape(input, 0), rowShape(input, 1)])).toEqual([
      [1, 3, 1],
      [2, 1, 1],
    ]);
  });

  const zeros = (length: number) => new Array(length).fill(0);

  it.each<[Setting, string, unknown, string | undefined]>([
    ['open', 'a million values', zeros(1_000_000), undefined],
    ['open', 'one more', zeros(1_000_001), 'x: holds more than 1000000 values'],
    ['sequence', 'a million values', new Array(500_000).fill([0, 0]), undefined],
    ['sequence', 'two more', new Array(500_001).fill([0, 0]), 'x: holds more than 1000000 values'],
    ['image', 'many a row', [new Array(1_000_001).fill([0])], 'x: holds more than 1000000 values'],
    ['image', 'many rows', new Array(1_000_001).fill([[0]]), 'x: holds more than 1000000 values'],
  ])('of %s may hold a million values: %s', (setting, _, value, message) => {
    const reader = SETTINGS[setting];
    expect(reader.read({ x: value }, reader.allocate(1), 0)?.message).toBe(message);
  });
});
