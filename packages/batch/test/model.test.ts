import { type ModelDescriptor, modelKey, modelPin, parseModelRef, rowsPerChunk } from '@millrace/batch/model';
import { describe, expect, it } from 'vitest';
import { complete } from './manifest-of.js';

describe('a reference to a model', () => {
  it.each([
    ['iris', { name: 'iris' }],
    ['a', { name: 'a' }],
    ['iris@10', { name: 'iris', version: 10 }],
    ['iris@1', { name: 'iris', version: 1 }],
    ['iris@999999999', { name: 'iris', version: 999_999_999 }],
    ['Iris-2.0_b', { name: 'Iris-2.0_b' }],
    ['2024@3', { name: '2024', version: 3 }],
    ['constructor', { name: 'constructor' }],
    ['a'.repeat(100), { name: 'a'.repeat(100) }],
  ])('%s is read', (ref, model) => {
    expect(parseModelRef(ref)).toEqual(model);
  });

  it.each([
    ['iris@champion', { name: 'iris', alias: 'champion' }],
    ['iris@latest', { name: 'iris', alias: 'latest' }],
    ['iris@v1', { name: 'iris', alias: 'v1' }],
    ['iris@A_b-9', { name: 'iris', alias: 'A_b-9' }],
    [`iris@${'a'.repeat(63)}`, { name: 'iris', alias: 'a'.repeat(63) }],
  ])('%s is read as an alias', (ref, model) => {
    expect(parseModelRef(ref)).toEqual(model);
  });

  it.each([
    '',
    '@',
    '@1',
    'iris@',
    'iris@0',
    'iris@01',
    'iris@-1',
    'iris@1.0',
    'iris@1e3',
    'iris@1@2',
    'iris@_a',
    'iris@a.b',
    'iris@a\n',
    `iris@${'a'.repeat(64)}`,
    'iris@1000000000',
    'iris@1\n',
    ' iris',
    'iris ',
    'iris\n',
    'a/b',
    '..',
    '.hidden',
    '_iris',
    '-iris',
    'îris',
    'a:b',
    'a{b}',
    'a'.repeat(101),
  ])('%j is not', (ref) => {
    expect(parseModelRef(ref)).toBeUndefined();
  });

  it('is what the key of a version reads back to', () => {
    const model = { name: 'iris', version: 12 };
    expect(parseModelRef(modelKey(model))).toEqual(model);
  });

  it('is the head of what is pinned to a task', () => {
    expect(modelPin({ name: 'iris', version: 12, fingerprint: '5f3a' })).toBe('iris@12 5f3a');
  });
});

const descriptor = (secondsPerRow: number, width: number | null, length = 1): ModelDescriptor => ({
  name: 'any',
  version: 1,
  manifest: complete(
    {},
    {
      inputs: [{ name: 'X', type: 'float32', shape: [null, length] }],
      outputs: [{ name: 'y', type: 'float32', shape: [null, width] }],
    },
  ),
  digest: '',
  fingerprint: '',
  seconds_per_row: secondsPerRow,
  example: [0],
});

it.each([
  [1e-12, 65_536],
  [0.25 / 65_536, 65_536],
  [0.001, 250],
  [0.2, 1],
  [1, 1],
  [60, 1],
])('a model that takes %d s per row gets chunks of %d rows', (seconds, rows) => {
  expect(rowsPerChunk(descriptor(seconds, 1))).toBe(rows);
});

it.each([
  [3, 65_536],
  [999, 4_000],
  [99_999, 40],
])('a fast model with outputs of %d numbers gets chunks of %d rows', (width, rows) => {
  expect(rowsPerChunk(descriptor(1e-12, width))).toBe(rows);
});

it.each([
  [1, null, 61_538],
  [1, 3_999_999, 1],
  [1_000_000, 3, 3],
  [2_000, 2_000, 1_000],
  [40_000, null, 99],
])(
  'rows of %d numbers in and %s out (an open size counts as 64) make chunks of %d',
  (length, width, rows) => {
    expect(rowsPerChunk(descriptor(1e-12, width, length))).toBe(rows);
  },
);
