import { describe, expect, it } from 'vitest';
import { type CurvePoint, fastestRun, recommended, sizesUpTo } from '../dist/inference/micro-batch-curve.js';

/** @param microseconds per row, by micro-batch */
const curve = (microseconds: Record<number, number>): CurvePoint[] =>
  Object.entries(microseconds).map(([size, each]) => ({
    microBatch: Number(size),
    secondsPerRow: each / 1e6,
  }));

describe('of a measured curve', () => {
  it.each([
    ['the largest that is nearly as fast as the fastest', { 1: 5_000, 4: 1_000, 16: 1_040, 64: 1_100 }, 16],
    [
      'of the sizes whose runs last a millisecond, the largest that is nearly as fast',
      { 1: 10, 64: 1.5, 256: 1.6, 1024: 2, 4096: 2.05 },
      4096,
    ],
    ['the largest of a model of which all runs are short', { 1: 3, 64: 0.05, 1024: 0.05, 4096: 0.051 }, 4096],
    ['one that is fastest though it is small', { 1: 9_000, 4: 2_000, 16: 4_000 }, 4],
    ['none that is fastest in short runs only', { 1: 21, 4: 18, 16: 19, 64: 22, 256: 24 }, 64],
    ['none whose runs last longer than a tenth of a second', { 64: 500, 256: 400, 1024: 300 }, 64],
    ['the smallest of a model of which all runs last longer', { 1: 200_000, 4: 190_000 }, 1],
    ['the only one', { 8: 100 }, 8],
  ])('is recommended: %s', (_, measured, size) => {
    expect(recommended(curve(measured)).microBatch).toBe(size);
  });
});

it.each([
  [1, [1]],
  [4, [1, 4]],
  [1000, [1, 4, 16, 64, 256, 1000]],
])('sizes up to %d are %j', (largest, sizes) => {
  expect(sizesUpTo(largest)).toEqual(sizes);
});

it('a run that is interrupted for longer than a size is measured does not count', async () => {
  const ms = 10;
  let runs = 0;
  const interruptedAtFirst = async () => {
    if (runs++ > 0) return;
    const endsAt = performance.now() + 2 * ms;
    while (performance.now() < endsAt);
  };
  expect(await fastestRun(interruptedAtFirst, ms)).toBeLessThan(ms / 1000);
});

it('a run that takes long is not made again and again', async () => {
  let runs = 0;
  const long = async () => {
    runs++;
    const endsAt = performance.now() + 20;
    while (performance.now() < endsAt);
  };
  expect(await fastestRun(long, 1)).toBeGreaterThanOrEqual(0.02);
  expect(runs).toBe(1);
});
