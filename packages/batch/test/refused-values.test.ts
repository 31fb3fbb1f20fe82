import type { Dimension, GraphTensor } from '@millrace/batch/manifest/graph';
import { describe, expect, it } from 'vitest';
import { complete, type FeatureFile, tensorOf } from './manifest-of.js';

type ElementType = GraphTensor['type'];

describe('a default that is no value of its feature is refused', () => {
  it.each<[ElementType, Omit<FeatureFile, 'name'>, string]>([
    ['float32', { type: 'float', min: 0, default: -1 }, 'x: -1 is outside 0 to 3.4028235e+38'],
    ['float32', { type: 'float', default: 1e39 }, 'x: 1e+39 is outside -3.4028235e+38 to 3.4028235e+38'],
    ['float16', { type: 'float', default: 65_505 }, 'x: 65505 is outside -65504 to 65504'],
    ['int8', { type: 'int', default: 128 }, 'x: 128 is outside -128 to 127'],
    ['uint64', { type: 'int', default: -1 }, 'x: -1 is outside 0 to 18446744073709551615'],
    ['float32', { type: 'int', default: 16_777_217 }, 'x: 16777217 is outside -16777216 to 16777216'],
    ['string', { type: 'string', max_length: 2, default: 'abc' }, 'x: expected at most 2 characters, got 3'],
    [
      'string',
      { type: 'category', values: ['red', 'green'], default: 'gren' },
      'x: "gren" is not one of its 2 values; did you mean "green"?',
    ],
    ['int8', { type: 'category', values: ['red'], default: 0 }, 'x: expected a string, got 0'],
    ['int8', { type: 'category', values: [1, 2], default: 3 }, 'x: 3 is not one of its 2 values: 1, 2'],
  ])('in a tensor of %s that of %j', (type, feature, message) => {
    expect(() => tensorOf(type, { name: 'x', ...feature } as FeatureFile)).toThrow(
      new Error(`the default of ${message}`),
    );
  });

  it('with all others', () => {
    const features = ['a', 'b'].map((name) => ({ name, type: 'int', min: 1, default: 0 }) as const);
    expect(() => tensorOf('uint8', ...features)).toThrow(
      new Error('the default of a: 0 is outside 1 to 255; the default of b: 0 is outside 1 to 255'),
    );
  });
});

describe('a category that its tensor cannot hold is refused', () => {
  const places = (count: number) => Array.from({ length: count }, (_, index) => `c${index}`);

  it.each<[ElementType, (string | number)[], string]>([
    ['string', [1, 2], 'feature "x" is category, input "input" string'],
    ['bool', ['a', 'b'], 'feature "x" is category, input "input" bool'],
    ['int64', [0.5, 1], 'feature "x": input "input" is int64, which cannot hold 0.5'],
    ['uint64', [1, -1], 'feature "x": input "input" is uint64, which cannot hold -1'],
    ['int64', [2 ** 53], 'feature "x": input "input" is int64, which cannot hold 9007199254740992'],
    ['int8', [1.5], 'feature "x": input "input" is int8, which cannot hold 1.5'],
    ['uint8', [255, 256], 'feature "x": input "input" is uint8, which cannot hold 256'],
    ['uint8', places(257), 'feature "x": input "input" is uint8, which cannot hold 256'],
    ['int8', places(129), 'feature "x": input "input" is int8, which cannot hold 128'],
    ['float16', [65_504, 65_505], 'feature "x": input "input" is float16, which cannot hold 65505'],
    ['float32', [1e39], 'feature "x": input "input" is float32, which cannot hold 1e+39'],
  ])('in a tensor of %s', (type, values, message) => {
    expect(() => tensorOf(type, { name: 'x', type: 'category', values })).toThrow(new Error(message));
  });

  it.each<[ElementType, (string | number)[]]>([
    ['uint8', places(256)],
    ['int8', [-128, 127]],
    ['int64', [-5, 2 ** 53 - 1]],
    ['float16', [0.1, -65_504]],
    ['float64', [1e300]],
  ])('unless it can: %s', (type, values) => {
    expect(() => tensorOf(type, { name: 'x', type: 'category', values })).not.toThrow();
  });
});

describe('printing that an output cannot have is refused', () => {
  const refusal = (type: ElementType, shape: Dimension[], output: object) => () =>
    complete(
      { outputs: [{ name: 'y', ...output }] },
      { inputs: [{ name: 'x', type: 'float32', shape: [null] }], outputs: [{ name: 'y', type, shape }] },
    );
  const CLASSES = ['a', 'b', 'c'];
  const NO_CLASSES = 'output "y": classes name a whole number or the places of a vector, which this is not';
  const NO_TOP = 'output "y": top_k is for a vector of numbers';

  it.each<[string, ElementType, Dimension[], object, string]>([
    ['classes of a float', 'float32', [null], { classes: CLASSES }, NO_CLASSES],
    ['classes of a float in brackets', 'float32', [null, 1], { classes: CLASSES }, NO_CLASSES],
    ['classes of a boolean', 'bool', [null], { classes: CLASSES }, NO_CLASSES],
    ['classes of a text', 'string', [null], { classes: CLASSES }, NO_CLASSES],
    ['classes of texts', 'string', [null, 3], { classes: CLASSES }, NO_CLASSES],
    ['classes of a matrix', 'float32', [null, 3, 3], { classes: CLASSES }, NO_CLASSES],
    [
      'too few classes',
      'float32',
      [null, 4],
      { classes: CLASSES },
      'output "y" has 4 values per row and 3 classes',
    ],
    [
      'too many classes',
      'int64',
      [null, 2],
      { classes: CLASSES },
      'output "y" has 2 values per row and 3 classes',
    ],
    ['top_k of a number', 'float32', [null], { top_k: 2 }, NO_TOP],
    ['top_k of a matrix', 'float32', [null, 3, 3], { top_k: 2 }, NO_TOP],
    ['top_k of booleans', 'bool', [null, 3], { top_k: 2 }, NO_TOP],
    ['top_k of texts', 'string', [null, 3], { top_k: 2 }, NO_TOP],
    ['both', 'string', [null], { top_k: 2, classes: CLASSES }, `${NO_CLASSES}; ${NO_TOP}`],
  ])('%s', (_, type, shape, output, message) => {
    expect(refusal(type, shape, output)).toThrow(new Error(message));
  });

  it.each<[string, ElementType, Dimension[], object]>([
    ['classes of a whole number', 'uint8', [null], { classes: CLASSES }],
    ['classes of one in brackets', 'int64', [null, 1], { classes: CLASSES }],
    ['classes of a vector', 'float16', [null, 3], { classes: CLASSES, top_k: 5 }],
    ['classes of an open vector', 'int64', [null, null], { classes: CLASSES, top_k: 1 }],
  ])('unless it can: %s', (_, type, shape, output) => {
    expect(refusal(type, shape, output)).not.toThrow();
  });
});
