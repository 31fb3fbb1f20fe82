import { describe, expect, it } from 'vitest';
import { type FeatureFile, tensorOf } from './manifest-of.js';
import { readCsv } from './row-values.js';

type ElementType = Parameters<typeof tensorOf>[0];

/** What a field of the one column `x` comes to. */
function read(type: ElementType, feature: Omit<FeatureFile, 'name'>, field: string) {
  return readCsv(tensorOf(type, { name: 'x', ...feature } as FeatureFile), 'x', field);
}

const BOOL = { type: 'bool' } as const;
const TEXT = { type: 'string', max_length: 5 } as const;
const WORDS = { type: 'category', values: ['red', 'green', '7'] } as const;
const NUMBERS = { type: 'category', values: [1, 2.5] } as const;
const VECTOR = { type: 'vector', length: 2 } as const;
const WHOLE = { type: 'vector', length: 2, element: 'int' } as const;
const OPEN = { type: 'tensor', shape: [null, 2] } as const;

describe('a CSV field is read', () => {
  it.each<[string, ElementType, Omit<FeatureFile, 'name'>, string, unknown[]]>([
    ['true', 'bool', BOOL, 'true', [1]],
    ['TRUE', 'bool', BOOL, 'TRUE', [1]],
    ['1 as true', 'float32', BOOL, '1', [1]],
    ['False', 'bool', BOOL, ' False ', [0]],
    ['0 as false', 'int64', BOOL, '0', [0n]],
    ['a text', 'string', TEXT, 'ab c', ['ab c']],
    ['a text as it stands, blanks too', 'string', TEXT, ' a ', [' a ']],
    ['a number that is a text', 'string', TEXT, '1.50', ['1.50']],
    ['no text at all', 'string', TEXT, '', ['']],
    ['blanks', 'string', TEXT, '  ', ['  ']],
    ['a quoted text', 'string', TEXT, '"a,""b"', ['a,"b']],
    ['null, which is a text', 'string', TEXT, 'null', ['null']],
    ['a category', 'string', WORDS, 'green', ['green']],
    ['a category as its place', 'uint8', WORDS, 'green', [1]],
    ['a category of digits', 'string', WORDS, '7', ['7']],
    ['the category of nothing', 'string', { type: 'category', values: ['', 'a'] }, '', ['']],
    ['a category of numbers', 'float32', NUMBERS, '2.50', [2.5]],
    ['a category of numbers with an exponent', 'float32', NUMBERS, ' 1e0', [1]],
    ['a vector in JSON', 'float32', VECTOR, '"[1, -2.5]"', [1, -2.5]],
    [
      'a vector of 64-bit integers in JSON',
      'int64',
      WHOLE,
      '"[1,""9007199254740993""]"',
      [1n, 9007199254740993n],
    ],
    ['a vector of texts in JSON', 'string', { ...VECTOR, element: 'string' }, '"[""a"","" ""]"', ['a', ' ']],
    ['a tensor in JSON', 'float32', OPEN, '"[[1,2],[3,4]]"', [1, 2, 3, 4]],
  ])('%s', (_, type, feature, field, values) => {
    expect(read(type, feature, field)).toEqual(values);
  });
});

describe('a CSV field is not read', () => {
  it.each<[string, ElementType, Omit<FeatureFile, 'name'>, string, string]>([
    ['yes', 'bool', BOOL, 'yes', 'wrong_type: x: expected true or false, got the string "yes"'],
    ['2 for true', 'bool', BOOL, '2', 'wrong_type: x: expected true or false, got the string "2"'],
    ['nothing for true', 'bool', BOOL, '', 'missing_feature: x: is missing'],
    ['a long text', 'string', TEXT, 'abcdef', 'wrong_length: x: expected at most 5 characters, got 6'],
    [
      'a category it does not know',
      'string',
      WORDS,
      'gren',
      'unknown_category: x: "gren" is not one of its 3 values; did you mean "green"?',
    ],
    ['no category', 'string', WORDS, '', 'missing_feature: x: is missing'],
    ['a blank category', 'uint8', WORDS, ' ', 'missing_feature: x: is missing'],
    [
      'a number it does not know',
      'float32',
      NUMBERS,
      '3',
      'unknown_category: x: 3 is not one of its 2 values: 1, 2.5',
    ],
    [
      'a word for a number',
      'float32',
      NUMBERS,
      'one',
      'wrong_type: x: expected a number, got the string "one"',
    ],
    [
      'a vector that is no JSON',
      'float32',
      VECTOR,
      '1;2',
      'wrong_type: x: expected an array of 2 values, got the string "1;2"',
    ],
    ['a short vector', 'float32', VECTOR, '[1]', 'wrong_length: x: expected 2 values, got 1'],
    ['a number for a vector', 'float32', VECTOR, '1', 'wrong_type: x: expected an array of 2 values, got 1'],
    ['no vector', 'float32', VECTOR, '', 'missing_feature: x: is missing'],
    [
      'a vector of text',
      'float32',
      VECTOR,
      '"[1,""2""]"',
      'wrong_type: x[1]: expected a number, got the string "2"',
    ],
    [
      'null for a vector',
      'float32',
      VECTOR,
      'null',
      'wrong_type: x: expected an array of 2 values, got null',
    ],
    [
      'a vector beyond the numbers',
      'float32',
      VECTOR,
      '"[1,1e39]"',
      'out_of_range: x[1]: 1e+39 is outside -3.4028235e+38 to 3.4028235e+38',
    ],
    ['a flat tensor', 'float32', OPEN, '"[1,2]"', 'wrong_type: x[0]: expected an array of 2 values, got 1'],
  ])('%s', (_, type, feature, field, problem) => {
    expect(read(type, feature, field)).toBe(problem);
  });
});

describe('a vector in a column for each of its values', () => {
  const manifest = tensorOf('float32', 'a', { name: 'v', type: 'vector', length: 3 });

  it.each([
    ['in order', 'a,v.0,v.1,v.2', '9,1,2,3', [9, 1, 2, 3]],
    ['in any order', 'v.2,id,v.0,a,v.1', '3,r,1,9,2', [9, 1, 2, 3]],
    ['as one cell', 'v,a', '"[1,2,3]",9', [9, 1, 2, 3]],
    ['with a value missing', 'a,v.0,v.1,v.2', '9,1,,3', 'wrong_type: v[1]: expected a number, got nothing'],
    [
      'with a wrong value',
      'a,v.0,v.1,v.2',
      '9,1,2,x',
      'wrong_type: v[2]: expected a number, got the string "x"',
    ],
    ['with a field missing', 'a,v.0,v.1,v.2', '9,1,2', 'wrong_length: expected 4 fields, got 3'],
  ])('%s', (_, header, record, result) => {
    expect(readCsv(manifest, header, record)).toEqual(result);
  });

  it.each([
    ['a,v.0,v.1', 'the header lacks "v.2"'],
    ['v.0', 'the header lacks "a", "v.1", "v.2"'],
    ['a', 'the header lacks "v"'],
    ['a,v.0,v.1,v.2,v.3', 'the model has no feature "v.3"'],
    ['a,v,v.0', 'the model has no feature "v.0"'],
    ['a,v.0,v.1,v2', 'the model has no feature "v2"; did you mean "v.2"?'],
  ])('is refused under the header %s', (header, message) => {
    expect(() => readCsv(manifest, header, '')).toThrow(message);
  });

  it('is of every element', () => {
    const read = (type: ElementType, element: string, record: string) =>
      readCsv(tensorOf(type, { name: 'v', type: 'vector', length: 2, element }), 'v.1,v.0', record);
    expect(read('int64', 'int', '9007199254740993,1')).toEqual([1n, 9007199254740993n]);
    expect(read('bool', 'bool', 'true,0')).toEqual([0, 1]);
    expect(read('string', 'string', ',a')).toEqual(['a', '']);
  });

  it('is no other feature of such a name', () => {
    const odd = tensorOf('float32', { name: 'v', type: 'vector', length: 2 }, 'v.0');
    expect(readCsv(odd, 'v,v.0', '"[1,2]",3')).toEqual([1, 2, 3]);
    expect(() => readCsv(odd, 'v.0,v.1', '1,2')).toThrow('the model has no feature "v.1"');
  });
});
