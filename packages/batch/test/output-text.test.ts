import { allocate, type ElementType, type TensorData } from '@millrace/batch/manifest/element-types';
import { float16Bits } from '@millrace/batch/manifest/float16';
import type { Output } from '@millrace/batch/manifest/manifest';
import { cellPrinter } from '@millrace/batch/results/cell-text';
import { type Column, ColumnBuilder } from '@millrace/batch/results/column';
import { hasNonFinite, isRowNonFinite } from '@millrace/batch/results/non-finite';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

/** One row of an output as a column; numbers go in as what the type holds. */
function columnOf(
  type: ElementType,
  shape: number[],
  values: readonly (number | bigint | string)[],
  output: Partial<Output> = {},
): Column {
  const data = allocate(type, values.length) as unknown[];
  values.forEach((value, at) => {
    data[at] = type === 'float16' ? float16Bits(value as number) : value;
  });
  const builder = new ColumnBuilder({ name: 'y', type, shape, ...output }, 1);
  builder.add(Uint32Array.of(0), data as unknown as TensorData, shape);
  return builder.finish();
}

const isFound = (column: Column) => hasNonFinite(column) && isRowNonFinite(column, 0);
const textOf = (...args: Parameters<typeof columnOf>) => cellPrinter(columnOf(...args))(0);

describe('a value is printed', () => {
  it.each<[ElementType, number | bigint | string, string]>([
    ['float32', Math.fround(0.1), '0.1'],
    ['float32', 3, '3'],
    ['float64', 0.1, '0.1'],
    ['float64', 1e21, '1e+21'],
    ['float64', -0, '0'],
    ['float16', 0.1, '0.1'],
    ['float16', 65_504, '65504'],
    ['int8', -128, '-128'],
    ['uint8', 255, '255'],
    ['int16', -32_768, '-32768'],
    ['uint16', 65_535, '65535'],
    ['int32', -2_147_483_648, '-2147483648'],
    ['uint32', 4_294_967_295, '4294967295'],
    ['int64', 2n ** 53n - 1n, '9007199254740991'],
    ['int64', -(2n ** 63n), '"-9223372036854775808"'],
    ['uint64', 2n ** 64n - 1n, '"18446744073709551615"'],
    ['bool', 0, 'false'],
    ['bool', 1, 'true'],
    ['string', 'é"\n', '"é\\"\\n"'],
    ['string', '', '""'],
  ])('of %s: %s', (type, value, text) => {
    expect(textOf(type, [], [value])).toBe(text);
    expect(textOf(type, [2], [value, value])).toBe(`[${text},${text}]`);
  });

  it.each([
    ['auto', 7n, '7'],
    ['auto', 2n ** 53n, '"9007199254740992"'],
    ['string', 7n, '"7"'],
    ['string', 2n ** 53n, '"9007199254740992"'],
    ['number', 7n, '7'],
    ['number', 2n ** 53n + 1n, '9007199254740993'],
  ] as const)('as the mode %s of 64-bit integers says: %d', (int64, value, text) => {
    expect(textOf('int64', [], [value], { int64 })).toBe(text);
    expect(textOf('uint64', [1, 1], [value], { int64 })).toBe(`[[${text}]]`);
  });

  it.each<[ElementType, number, number, string]>([
    ['float32', Math.fround(0.123456), 3, '0.123'],
    ['float32', Math.fround(0.1), 3, '0.1'],
    ['float64', 1 / 3, 0, '0'],
    ['float64', 2.5, 0, '3'],
    ['float64', 1 / 3, 15, '0.333333333333333'],
    ['float64', -0.0001, 2, '0'],
    ['float64', 1e21, 2, '1e+21'],
    ['float16', 0.333251953125, 2, '0.33'],
    ['float16', 65_504, 2, '65504'],
  ])('of %s as %d with %d decimals', (type, value, decimals, text) => {
    expect(textOf(type, [], [value], { decimals })).toBe(text);
    expect(textOf(type, [2], [value, value], { decimals })).toBe(`[${text},${text}]`);
  });

  it('in brackets as deep as its shape', () => {
    expect(textOf('int32', [2, 3], [1, 2, 3, 4, 5, 6])).toBe('[[1,2,3],[4,5,6]]');
    expect(textOf('uint8', [2, 1, 2], [1, 2, 3, 4])).toBe('[[[1,2]],[[3,4]]]');
    expect(textOf('string', [1, 2], ['a', 'b'])).toBe('[["a","b"]]');
    expect(textOf('bool', [2, 2], [1, 0, 0, 1])).toBe('[[true,false],[false,true]]');
    expect(textOf('float32', [0], [])).toBe('[]');
    expect(textOf('float32', [2, 0], [])).toBe('[[],[]]');
  });
});

describe('classes', () => {
  const classes = ['no', 'ye"s', 'ma\nybe'];

  it.each<[ElementType, number | bigint, string]>([
    ['int64', 1n, '"ye\\"s"'],
    ['int32', 0, '"no"'],
    ['uint8', 2, '"ma\\nybe"'],
    ['int64', 3n, '3'],
    ['int64', -1n, '-1'],
    ['int64', 2n ** 60n, '"1152921504606846976"'],
  ])('name a whole number: %s %s', (type, value, text) => {
    expect(textOf(type, [], [value], { classes })).toBe(text);
  });

  it.each<[ElementType, (number | bigint)[], string]>([
    ['float32', [0.5, 0.25, 0.25], '{"no":0.5,"ye\\"s":0.25,"ma\\nybe":0.25}'],
    ['float16', [0.1, 0, 1], '{"no":0.1,"ye\\"s":0,"ma\\nybe":1}'],
    ['int64', [1n, 2n, 2n ** 53n], '{"no":1,"ye\\"s":2,"ma\\nybe":"9007199254740992"}'],
  ])('name the places of a vector of %s', (type, values, text) => {
    expect(textOf(type, [3], values, { classes })).toBe(text);
  });

  it('may be fewer than an open vector has places', () => {
    expect(textOf('float32', [4], [1, 2, 3, 4], { classes, shape: [null] })).toBe(
      '{"no":1,"ye\\"s":2,"ma\\nybe":3,"3":4}',
    );
  });
});

describe('top_k', () => {
  it.each<[ElementType, (number | bigint)[], number, string]>([
    ['float32', [0.25, 0.5, 0.125], 2, '[{"class":1,"score":0.5},{"class":0,"score":0.25}]'],
    ['float64', [1, 2, 2, 1], 3, '[{"class":1,"score":2},{"class":2,"score":2},{"class":0,"score":1}]'],
    ['float16', [-1, -0.5], 1, '[{"class":1,"score":-0.5}]'],
    ['int64', [2n ** 53n, 5n], 5, '[{"class":0,"score":"9007199254740992"},{"class":1,"score":5}]'],
    ['uint8', [7, 7, 7], 2, '[{"class":0,"score":7},{"class":1,"score":7}]'],
    ['float32', [], 2, '[]'],
  ])('of %s shows the highest of %s, the earlier of equals first', (type, values, topK, text) => {
    expect(textOf(type, [values.length], values, { top_k: topK })).toBe(text);
  });

  it('shows names and rounds scores', () => {
    const output = { top_k: 2, classes: ['a', 'b', 'c'], decimals: 1 };
    expect(textOf('float64', [3], [0.11, 0.17, 0.19], output)).toBe(
      '[{"class":"c","score":0.2},{"class":"b","score":0.2}]',
    );
  });

  it('puts the infinities where they belong, and NaN last', () => {
    const output = { top_k: 5, non_finite: 'string' } as const;
    const { POSITIVE_INFINITY, NEGATIVE_INFINITY, NaN: NAN } = Number;
    expect(textOf('float32', [5], [1, NAN, 3, NEGATIVE_INFINITY, POSITIVE_INFINITY], output)).toBe(
      '[{"class":4,"score":"Infinity"},{"class":2,"score":3},{"class":0,"score":1},{"class":1,"score":"NaN"},{"class":3,"score":"-Infinity"}]',
    );
  });

  it('shows what a sorted list begins with', () => {
    const scores = fc.array(fc.oneof(fc.integer({ min: -3, max: 3 }), fc.double()), {
      minLength: 1,
      maxLength: 40,
    });
    fc.assert(
      fc.property(scores, fc.integer({ min: 1, max: 10 }), (values, topK) => {
        const shown = JSON.parse(
          textOf('float64', [values.length], values, { top_k: topK, non_finite: 'string' }),
        );
        const rank = (value: number) => (Number.isNaN(value) ? Number.NEGATIVE_INFINITY : value);
        const left = values.map((value, place) => ({ value, place }));
        for (const { class: place, score } of shown as { class: number; score: unknown }[]) {
          const best = left.reduce((a, b) => (rank(b.value) > rank(a.value) ? b : a));
          expect({ place, score: Number(score) + 0 }).toEqual({ place: best.place, score: best.value + 0 });
          left.splice(left.indexOf(best), 1);
        }
        expect(shown).toHaveLength(Math.min(topK, values.length));
      }),
    );
  });
});

describe.each(['float32', 'float64', 'float16'] as const)('a NaN or an infinity of %s', (type) => {
  const strange: [number, string][] = [
    [Number.NaN, 'NaN'],
    [Number.POSITIVE_INFINITY, 'Infinity'],
    [Number.NEGATIVE_INFINITY, '-Infinity'],
  ];

  it.each(strange)('%d is found wherever it is, unless it may be a string', (value, name) => {
    const at = (shape: number[], values: number[], nonFinite?: 'error' | 'string') =>
      columnOf(type, shape, values, { non_finite: nonFinite });
    for (const mode of [undefined, 'error'] as const) {
      expect(isFound(at([], [value], mode))).toBe(true);
      expect(isFound(at([3], [1, 2, value], mode))).toBe(true);
      expect(isFound(at([2, 2], [1, value, 2, 3], mode))).toBe(true);
    }
    expect(isFound(at([2], [1, value], 'string'))).toBe(false);
    expect(textOf(type, [2], [1, value], { non_finite: 'string', decimals: 2 })).toBe(`[1,"${name}"]`);
  });

  it('is not what any other number is', () => {
    const extremes = { float32: 3.4028234663852886e38, float64: Number.MAX_VALUE, float16: 65_504 };
    for (const value of [0, -0, 1, -extremes[type], extremes[type]]) {
      expect(isFound(columnOf(type, [], [value]))).toBe(false);
    }
  });
});

it.each(['uint16', 'int64', 'bool', 'string'] as const)('a value of %s is never one', (type) => {
  const values = { uint16: 0x7c00, int64: 2n ** 62n, bool: 1, string: 'NaN' };
  expect(isFound(columnOf(type, [], [values[type]]))).toBe(false);
});
