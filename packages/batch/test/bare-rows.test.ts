import { RowReader } from '@millrace/batch/rows/row-reader';
import { describe, expect, it } from 'vitest';
import { type FeatureFile, tensorOf } from './manifest-of.js';
import { readJson } from './row-values.js';

type ElementType = Parameters<typeof tensorOf>[0];

const SHAPES: Record<string, [ElementType, FeatureFile]> = {
  single: ['float32', { name: 'x', type: 'float' }],
  text: ['string', { name: 'x', type: 'string' }],
  vector: ['float32', { name: 'x', type: 'vector', length: 3 }],
  'vector of one': ['float32', { name: 'x', type: 'vector', length: 1 }],
  texts: ['string', { name: 'x', type: 'vector', length: 2, element: 'string' }],
  square: ['float32', { name: 'x', type: 'tensor', shape: [2, 2] }],
  sequence: ['int64', { name: 'x', type: 'tensor', shape: [null], element: 'int' }],
  matrix: ['float32', { name: 'x', type: 'tensor', shape: [null, null] }],
};
type Shape = keyof typeof SHAPES;

function read(shape: Shape, row: string) {
  const [type, feature] = SHAPES[shape] as [ElementType, FeatureFile];
  return readJson(new RowReader(tensorOf(type, feature)), row);
}

describe('the one value of a row', () => {
  it.each<[Shape, bare: string, values: unknown[]]>([
    ['single', '1.5', [1.5]],
    ['text', '"abc"', ['abc']],
    ['vector', '[1,2,3]', [1, 2, 3]],
    ['vector of one', '[5]', [5]],
    ['texts', '["a","b"]', ['a', 'b']],
    ['square', '[[1,2],[3,4]]', [1, 2, 3, 4]],
    ['sequence', '[1,2,3]', [1n, 2n, 3n]],
    ['sequence', '[1]', [1n]],
    ['matrix', '[[1,2,3]]', [1, 2, 3]],
    ['matrix', '[[1],[2]]', [1, 2]],
  ])('of %s may be bare, wrapped or named: %s', (shape, bare, values) => {
    expect(read(shape, bare)).toEqual(values);
    expect(read(shape, `[${bare}]`)).toEqual(values);
    expect(read(shape, `{"x":${bare}}`)).toEqual(values);
    expect(read(shape, `{"id":7,"x":${bare}}`)).toEqual(values);
  });

  it.each<[Shape, row: string, problem: string]>([
    ['single', '[1,2]', 'wrong_length: expected 1 values, got 2'],
    ['single', '[[1]]', 'wrong_type: x: expected a number, got an array of 1 values'],
    ['text', '5', 'wrong_type: x: expected a string, got 5'],
    ['vector', '[1,2]', 'wrong_length: x: expected 3 values, got 2'],
    ['vector', '[[1,2]]', 'wrong_length: x: expected 3 values, got 2'],
    ['vector', '[]', 'wrong_length: x: expected 3 values, got 0'],
    ['vector', '[[]]', 'wrong_length: x: expected 3 values, got 0'],
    ['vector', '[[1,2,3],[4,5,6]]', 'wrong_length: x: expected 3 values, got 2'],
    ['vector', '[1,2,"3"]', 'wrong_type: x[2]: expected a number, got the string "3"'],
    ['vector', '[[1,2,"3"]]', 'wrong_type: x[2]: expected a number, got the string "3"'],
    ['vector', '7', 'wrong_type: x: expected an array of 3 values, got 7'],
    ['vector', 'null', 'wrong_type: x: expected an array of 3 values, got null'],
    ['vector of one', '5', 'wrong_type: x: expected an array of 1 values, got 5'],
    ['vector of one', '[null]', 'wrong_type: x[0]: expected a number, got null'],
    ['square', '[[1,2]]', 'wrong_length: x: expected 2 values, got 1'],
    ['square', '[[1,2],[3]]', 'wrong_length: x[1]: expected 2 values, got 1'],
    ['square', '[[[1,2],[3]]]', 'wrong_length: x[1]: expected 2 values, got 1'],
    ['sequence', '[]', 'wrong_length: x: is empty'],
    ['sequence', '[1,"a"]', 'wrong_type: x[1]: expected a whole number, got the string "a"'],
    ['matrix', '[[1,2],[3]]', 'wrong_length: x[1]: expected 2 values as in the array before it, got 1'],
    ['matrix', '[1,2]', 'wrong_type: x[0]: expected an array of any number of values, got 1'],
  ])('of %s is not %s', (shape, row, problem) => {
    expect(read(shape, row)).toBe(problem);
  });
});

it('of several features none is bare', () => {
  const reader = new RowReader(tensorOf('float32', 'x', { name: 'v', type: 'vector', length: 2 }));
  expect(readJson(reader, '[1,[2,3]]')).toEqual([1, 2, 3]);
  expect(readJson(reader, '{"v":[2,3],"x":1}')).toEqual([1, 2, 3]);
  expect(readJson(reader, '[1,2,3]')).toBe('wrong_length: expected 2 values, got 3');
  expect(readJson(reader, '[[2,3],1]')).toBe(
    'wrong_type: x: expected a number, got an array of 2 values; v: expected an array of 2 values, got 1',
  );
  expect(readJson(reader, '7')).toBe('wrong_row_type: expected an object or an array of 2 values, got 7');
});
