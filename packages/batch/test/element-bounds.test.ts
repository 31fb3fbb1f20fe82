import { RowReader } from '@millrace/batch/rows/row-reader';
import { describe, expect, it } from 'vitest';
import { type FeatureFile, tensorOf } from './manifest-of.js';
import { readCsv, readJson } from './row-values.js';

type ElementType = Parameters<typeof tensorOf>[0];

function manifestOf(type: ElementType, feature: Omit<FeatureFile, 'name'>) {
  return tensorOf(type, { name: 'x', ...feature } as FeatureFile);
}

const read = (type: ElementType, feature: Omit<FeatureFile, 'name'>, value: string) =>
  readJson(new RowReader(manifestOf(type, feature)), `{"x":${value}}`);

/** The smallest and the largest whole number that each type holds exactly, and those beyond. */
const WHOLE: [ElementType, below: string, min: string, max: string, above: string][] = [
  ['float32', '-16777217', '-16777216', '16777216', '16777217'],
  // One of 2^53 and 2^53 + 1 cannot be told from the other once it is parsed.
  ['float64', '-9007199254740992', '-9007199254740991', '9007199254740991', '9007199254740992'],
  ['float16', '-2049', '-2048', '2048', '2049'],
  ['int8', '-129', '-128', '127', '128'],
  ['uint8', '-1', '0', '255', '256'],
  ['int16', '-32769', '-32768', '32767', '32768'],
  ['uint16', '-1', '0', '65535', '65536'],
  ['int32', '-2147483649', '-2147483648', '2147483647', '2147483648'],
  ['uint32', '-1', '0', '4294967295', '4294967296'],
  [
    'int64',
    '"-9223372036854775809"',
    '"-9223372036854775808"',
    '"9223372036854775807"',
    '"9223372036854775808"',
  ],
  ['uint64', '"-1"', '"0"', '"18446744073709551615"', '"18446744073709551616"'],
];
const bare = (value: string) => value.replaceAll('"', '');

describe.each(WHOLE)('a whole number in a tensor of %s', (type, below, min, max, above) => {
  const asHeld = (value: string) => (type.endsWith('int64') ? BigInt(bare(value)) : Number(value));

  it.each([min, max])('may be %s', (value) => {
    expect(read(type, { type: 'int' }, value)).toEqual([asHeld(value)]);
    expect(readCsv(manifestOf(type, { type: 'int' }), 'x', bare(value))).toEqual([asHeld(value)]);
  });

  it.each([below, above])('may not be %s', (value) => {
    const problem = `out_of_range: x: ${bare(value)} is outside ${bare(min)} to ${bare(max)}`;
    expect(read(type, { type: 'int' }, value)).toBe(problem);
    expect(readCsv(manifestOf(type, { type: 'int' }), 'x', bare(value))).toBe(problem);
  });

  it('is within its own bounds too', () => {
    const feature = { type: 'int', min: 2.5, max: 4 } as const;
    expect(read(type, feature, '3')).toEqual([asHeld('3')]);
    expect(read(type, feature, '2')).toMatch(/^out_of_range: x: 2 is outside (2\.5|3) to 4$/);
    expect(read(type, feature, '5')).toMatch(/^out_of_range: x: 5 is outside (2\.5|3) to 4$/);
  });
});

const FLOATS: [ElementType, max: string, above: string, printed: string][] = [
  ['float32', '3.4028235e38', '3.4028236e38', '3.4028235e+38'],
  ['float64', '1.7976931348623157e308', '1e309', '1.7976931348623157e+308'],
  ['float16', '65504', '65504.001', '65504'],
];

describe.each(FLOATS)('a float in a tensor of %s', (type, max, above, printed) => {
  it.each(['', '-'])('may be at the bounds: %s', (sign) => {
    const held = type === 'float32' ? Math.fround(Number(sign + max)) : Number(sign + max);
    expect(read(type, { type: 'float' }, sign + max)).toEqual([held]);
    expect(Number.isFinite(held)).toBe(true);
  });

  it.each(['', '-'])('may not be beyond: %s', (sign) => {
    expect(read(type, { type: 'float' }, sign + above)).toBe(
      `out_of_range: x: ${Number(sign + above)} is outside -${printed} to ${printed}`,
    );
  });

  it('is rounded to what the type holds', () => {
    const third = { float32: 0.3333333432674408, float64: 1 / 3, float16: 0.333251953125 };
    expect(read(type, { type: 'float' }, '0.3333333333333333')).toEqual([third[type as 'float32']]);
  });
});

describe('a 64-bit integer', () => {
  it.each([
    ['9007199254740991', 9007199254740991n],
    ['"9007199254740991"', 9007199254740991n],
    ['"9007199254740993"', 9007199254740993n],
    ['"-9007199254740993"', -9007199254740993n],
    ['"+7"', 7n],
    ['"007"', 7n],
    ['-0', 0n],
    ['"-0"', 0n],
    ['1e3', 1000n],
  ])('may be sent as %s', (value, held) => {
    expect(read('int64', { type: 'int' }, value)).toEqual([held]);
  });

  it.each([
    ['9007199254740991', 9007199254740991n],
    ['9007199254740993', 9007199254740993n],
    [' -9007199254740993 ', -9007199254740993n],
    ['1e3', 1000n],
    ['7.0', 7n],
  ])('may be the CSV field %s', (field, held) => {
    expect(readCsv(manifestOf('int64', { type: 'int' }), 'x', field)).toEqual([held]);
  });

  const BEYOND = 'is beyond 2^53 - 1, where a JSON number loses digits; send it as a string';
  it.each([
    ['9007199254740992', `out_of_range: x: 9007199254740992 ${BEYOND}`],
    ['-9007199254740993', `out_of_range: x: -9007199254740992 ${BEYOND}`],
    ['1.5', 'wrong_type: x: expected a whole number, got 1.5'],
    ['"1.5"', 'wrong_type: x: expected a whole number, got the string "1.5"'],
    ['"1e3"', 'wrong_type: x: expected a whole number, got the string "1e3"'],
    ['"0x10"', 'wrong_type: x: expected a whole number, got the string "0x10"'],
    ['" 7"', 'wrong_type: x: expected a whole number, got the string " 7"'],
    ['""', 'wrong_type: x: expected a whole number, got the string ""'],
    ['true', 'wrong_type: x: expected a whole number, got true'],
  ])('may not be sent as %s', (value, problem) => {
    expect(read('int64', { type: 'int' }, value)).toBe(problem);
  });

  it.each([
    ['1e20', '100000000000000000000'],
    ['1e999', 'Infinity'],
    ['-1e999', '-Infinity'],
  ])('that no string could help is out of range: %s', (value, printed) => {
    const problem = `out_of_range: x: ${printed} is outside -9223372036854775808 to 9223372036854775807`;
    expect(read('int64', { type: 'int' }, value)).toBe(problem);
    expect(readCsv(manifestOf('int64', { type: 'int' }), 'x', value)).toBe(problem);
  });
});

const TYPES = [...WHOLE.map(([type]) => type), 'bool'] as ElementType[];

describe.each(TYPES)('in a tensor of %s', (type) => {
  it('true is 1 and false is 0', () => {
    const [one, zero] = type.endsWith('int64') ? [1n, 0n] : [1, 0];
    expect(read(type, { type: 'bool' }, 'true')).toEqual([one]);
    expect(read(type, { type: 'bool' }, 'false')).toEqual([zero]);
    const reader = new RowReader(manifestOf(type, { type: 'vector', length: 2, element: 'bool' }));
    expect(readJson(reader, '[true,false]')).toEqual([one, zero]);
  });
});

it.each(TYPES.filter((type) => type !== 'bool'))('a category in a tensor of %s is its place', (type) => {
  const held = type.endsWith('int64') ? 2n : 2;
  expect(read(type, { type: 'category', values: ['a', 'b', 'c'] }, '"c"')).toEqual([held]);
  expect(read(type, { type: 'category', values: [5, 2] }, '2')).toEqual([held]);
});
