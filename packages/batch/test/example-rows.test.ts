import type { ElementType } from '@millrace/batch/manifest/element-types';
import { exampleRows } from '@millrace/batch/manifest/example';
import { RowReader } from '@millrace/batch/rows/row-reader';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { complete, type FeatureFile, tensorOf } from './manifest-of.js';

/** What the reader says of each example. */
function problems(type: ElementType, feature: Omit<FeatureFile, 'name'>): unknown[] {
  const manifest = tensorOf(type, { name: 'x', ...feature } as FeatureFile);
  const reader = new RowReader(manifest);
  return exampleRows(manifest).map((row) => reader.read(row, reader.allocate(1), 0)?.message);
}

const bound = fc.option(fc.double({ noNaN: true, min: -60_000, max: 60_000 }), { nil: undefined });
const wholeBound = fc.option(fc.integer({ min: -2000, max: 2000 }), { nil: undefined });

/** Bounds between which there is something. */
const ordered = ([a, b]: readonly [number | undefined, number | undefined]) =>
  a !== undefined && b !== undefined && a > b ? { min: b, max: a } : { min: a, max: b };

describe('the example rows fit the reader', () => {
  it('for floats of any bounds', () => {
    fc.assert(
      fc.property(
        fc.constantFrom<ElementType>('float16', 'float32', 'float64'),
        fc.tuple(bound, bound).map(ordered),
        (type, bounds) => {
          expect(problems(type, { type: 'float', ...bounds })).toEqual([undefined, undefined, undefined]);
        },
      ),
    );
  });

  it('for whole numbers of any bounds', () => {
    const types = ['float16', 'float32', 'float64', 'int16', 'int32', 'int64'] as const;
    fc.assert(
      fc.property(
        fc.constantFrom(...types),
        fc.tuple(wholeBound, wholeBound).map(ordered),
        (type, bounds) => {
          expect(problems(type, { type: 'int', ...bounds })).toEqual([undefined, undefined, undefined]);
        },
      ),
    );
  });

  it.each<[ElementType, Omit<FeatureFile, 'name'>]>([
    ['int8', { type: 'int', min: -2.5, max: -0.5 }],
    ['uint8', { type: 'int', min: 254.1 }],
    ['int64', { type: 'int', min: 1.7e18 }],
    ['uint64', { type: 'int', min: 2 ** 60, max: 2 ** 61 }],
    ['int64', { type: 'int', max: -(2 ** 62) }],
    ['bool', { type: 'bool' }],
    ['int64', { type: 'bool' }],
    ['string', { type: 'string' }],
    ['string', { type: 'string', max_length: 1 }],
    ['string', { type: 'string', max_length: 3 }],
    ['string', { type: 'category', values: ['only'] }],
    ['int8', { type: 'category', values: ['a', 'b', 'c'] }],
    ['float32', { type: 'category', values: [0] }],
    ['float32', { type: 'category', values: [7, 0.5] }],
    ['float32', { type: 'vector', length: 5, min: 0.1, max: 0.2 }],
    ['int64', { type: 'vector', length: 2, element: 'int', min: 3 }],
    ['bool', { type: 'vector', length: 2, element: 'bool' }],
    ['string', { type: 'vector', length: 2, element: 'string' }],
    ['float32', { type: 'tensor', shape: [3, 2, 2] }],
    ['int32', { type: 'tensor', shape: [1], element: 'int' }],
  ])('for %s of %j', (type, feature) => {
    expect(problems(type, feature)).toEqual([undefined, undefined, undefined]);
  });

  it.each<[ElementType, (number | null)[], string]>([
    ['int64', [null], 'int'],
    ['float32', [null, 16], 'float'],
    ['bool', [3, null], 'bool'],
    ['string', [null, null], 'string'],
    ['uint8', [3, null, null], 'int'],
    ['float32', [null, null, null], 'float'],
    ['float32', [null, 3, null, null], 'float'],
    ['float32', [null, 500_000], 'float'],
  ])('for %s of the open shape %j', (type, shape, element) => {
    const found = problems(type, { type: 'tensor', shape, element });
    expect(found.length).toBeGreaterThan(0);
    expect(new Set(found)).toEqual(new Set([undefined]));
  });
});

describe('the example rows', () => {
  it('have ones, zeros, then halves, as near as the bounds allow', () => {
    const { features } = tensorOf(
      'float32',
      'a',
      { name: 'b', type: 'int', min: 5 },
      { name: 'c', type: 'float', max: -1.5 },
      { name: 'd', type: 'bool' },
      { name: 'e', type: 'category', values: ['u', 'v'] },
      { name: 'f', type: 'vector', length: 2 },
    );
    expect(exampleRows({ features })).toEqual([
      { a: 1, b: 5, c: -1.5, d: true, e: 'v', f: [1, 1] },
      { a: 0, b: 5, c: -1.5, d: false, e: 'u', f: [0, 0] },
      { a: 0.5, b: 5, c: -1.5, d: false, e: 'u', f: [0.5, 0.5] },
    ]);
  });

  it('try several sizes where any goes, all open ones alike', () => {
    const open = complete(
      {},
      {
        inputs: [
          { name: 'ids', type: 'int64', shape: [null, null] },
          { name: 'mask', type: 'int64', shape: [null, null] },
        ],
        outputs: [{ name: 'y', type: 'float32', shape: [null] }],
      },
    );
    const rows = exampleRows(open) as { ids: number[]; mask: number[] }[];
    expect(rows.map(({ ids }) => ids.length)).toEqual([1, 1, 1, 8, 8, 8, 32, 32, 32, 224, 224, 224]);
    for (const { ids, mask } of rows) expect(mask).toEqual(ids);
  });
});
