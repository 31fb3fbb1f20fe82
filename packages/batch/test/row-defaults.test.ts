import { parseHeader } from '@millrace/batch/rows/csv';
import { RowReader } from '@millrace/batch/rows/row-reader';
import { describe, expect, it } from 'vitest';
import { utf8 } from './byte-pieces.js';
import { complete, tensorOf } from './manifest-of.js';
import { readCsv, readJson } from './row-values.js';

const NUMBERS = tensorOf(
  'float32',
  'x',
  { name: 'd', type: 'float', default: 0.5 },
  { name: 'nan', type: 'float', min: 0, default: 'NaN' },
  { name: 'n', type: 'int', default: -1 },
  { name: 'b', type: 'bool', default: true },
  { name: 'c', type: 'category', values: ['red', 'green'], default: 'green' },
);
const READER = new RowReader(NUMBERS);
const DEFAULTS = [0.5, Number.NaN, -1, 1, 1];

describe('a value with a default', () => {
  it.each([
    ['absent', '{"x":1}', [1, ...DEFAULTS]],
    ['null', '{"x":1,"d":null,"nan":null,"n":null,"b":null,"c":null}', [1, ...DEFAULTS]],
    ['null in an array', '[1,null,null,null,null,null]', [1, ...DEFAULTS]],
    ['absent beside an id', '{"id":"r","x":1,"c":"red"}', [1, 0.5, Number.NaN, -1, 1, 0]],
    ['given', '{"x":1,"d":2,"nan":3,"n":4,"b":false,"c":"red"}', [1, 2, 3, 4, 0, 0]],
  ])('may be %s', (_, row, values) => {
    expect(readJson(READER, row)).toEqual(values);
  });

  it.each([
    ['{}', 'missing_feature: x: is missing'],
    ['{"d":1}', 'missing_feature: x: is missing'],
    ['{"x":null}', 'wrong_type: x: expected a number, got null'],
    ['{"x":1,"d":"NaN"}', 'wrong_type: d: expected a number, got the string "NaN"'],
    ['{"x":1,"nan":-1}', 'out_of_range: nan: -1 is outside 0 to 3.4028235e+38'],
    ['{"x":1,"b":null,"n":0.5}', 'wrong_type: n: expected a whole number, got 0.5'],
    ['[1,2]', 'wrong_length: expected 6 values, got 2'],
    // A misspelled key leaves the default in its place: it must not pass unseen.
    ['{"x":1,"nam":2}', 'unknown_feature: nam: the model has no such feature; did you mean "nan"?'],
  ])('is not what %s asks for', (row, problem) => {
    expect(readJson(READER, row)).toBe(problem);
  });

  it.each([
    ['an empty field', 'x,d,nan,n,b,c', '1,,,,,', [1, ...DEFAULTS]],
    ['a blank field', 'x,d,nan,n,b,c', '1, ,\t, ,  ,""', [1, ...DEFAULTS]],
    ['a column that is not there', 'x', '1', [1, ...DEFAULTS]],
    ['some of each', 'c,x,n', 'red,1,', [1, 0.5, Number.NaN, -1, 1, 0]],
  ])('stands in for %s', (_, header, record, values) => {
    expect(readCsv(NUMBERS, header, record)).toEqual(values);
  });

  it('is not asked of a header', () => {
    expect(() => parseHeader(utf8('d,n'), NUMBERS)).toThrow('the header lacks "x"');
  });

  it('stands in for an empty text, which is a value without one', () => {
    const bare = { name: 's', type: 'string' } as const;
    expect(readCsv(tensorOf('string', bare), 's', '')).toEqual(['']);
    const given = tensorOf('string', { ...bare, default: 'none' });
    expect(readCsv(given, 's', '')).toEqual(['none']);
    expect(readCsv(given, 's', '  ')).toEqual(['none']);
    expect(readJson(new RowReader(given), '{"s":""}')).toEqual(['']);
    expect(readJson(new RowReader(given), '{}')).toEqual(['none']);
  });

  it('stands in for the one bare value', () => {
    const reader = new RowReader(tensorOf('int64', { name: 'n', type: 'int', default: 7 }));
    for (const row of ['null', '[null]', '{}', '{"n":null}']) expect(readJson(reader, row)).toEqual([7n]);
    expect(readJson(reader, '[]')).toBe('wrong_length: expected 1 values, got 0');
  });

  it('does not stay behind from the row before', () => {
    const inputs = READER.allocate(1);
    expect(READER.read([1, 2, 3, 4, false, 'red'], inputs, 0)).toBeUndefined();
    expect(READER.read({ x: 5 }, inputs, 0)).toBeUndefined();
    expect(inputs.map((input) => input.kind === 'packed' && [...input.data])).toEqual([[5, ...DEFAULTS]]);
  });
});

it.each([
  ['float16', { type: 'float', default: 'NaN' }, Number.NaN],
  ['float64', { type: 'float', default: 'NaN' }, Number.NaN],
  ['float16', { type: 'float', default: -1.5 }, -1.5],
  ['float16', { type: 'bool', default: true }, 1],
  ['uint64', { type: 'int', default: 5 }, 5n],
  ['int8', { type: 'bool', default: true }, 1],
  ['int64', { type: 'category', values: ['a', 'b'], default: 'b' }, 1n],
  ['float16', { type: 'category', values: [0, 3], default: 3 }, 3],
  ['string', { type: 'category', values: ['a', 'b'], default: 'b' }, 'b'],
] as const)('in a tensor of %s the default of %j is fed as %s', (type, feature, value) => {
  expect(readJson(new RowReader(tensorOf(type, { name: 'x', ...feature })), '{}')).toEqual([value]);
});

describe('names that every object inherits', () => {
  const NAMES = ['__proto__', 'constructor', 'toString', 'hasOwnProperty'];
  const manifest = tensorOf(
    'float32',
    ...NAMES.map((name, index) => ({ name, type: 'float', default: -index }) as const),
    'x',
  );
  const reader = new RowReader(manifest);

  it.each([
    ['{"x":1}', [-0, -1, -2, -3, 1]],
    ['{"x":1,"__proto__":5,"constructor":null,"toString":6}', [5, -1, 6, -3, 1]],
    ['{"x":1,"__proto__":{}}', 'wrong_type: __proto__: expected a number, got an object'],
    ['{"x":1,"valueOf":2}', 'unknown_feature: valueOf: the model has no such feature'],
    ['{"__proto__":{"x":1}}', 'wrong_type: __proto__: expected a number, got an object; x: is missing'],
  ])('may have a default: %s', (row, result) => {
    expect(readJson(reader, row)).toEqual(result);
  });

  it('may be columns', () => {
    expect(readCsv(manifest, 'x,__proto__,toString', '1,2,')).toEqual([2, -1, -2, -3, 1]);
  });

  it('may be values of a category, and are none otherwise', () => {
    const names = { name: 'x', type: 'category', values: NAMES } as const;
    expect(readJson(new RowReader(tensorOf('uint8', names)), '{"x":"toString"}')).toEqual([2]);
    const none = complete(
      { features: [{ name: 'x', type: 'category', values: ['a'] }] },
      {
        inputs: [{ name: 'x', type: 'uint8', shape: [null] }],
        outputs: [{ name: 'y', type: 'bool', shape: [null] }],
      },
    );
    expect(readJson(new RowReader(none), '{"x":"__proto__"}')).toBe(
      'unknown_category: x: "__proto__" is not one of its 1 values: a',
    );
  });
});
