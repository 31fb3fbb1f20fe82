import { float16Bits, float16Value } from '@millrace/batch/manifest/float16';
import { float16Text } from '@millrace/batch/results/number-text';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

const INFINITY_BITS = 0x7c00;
const isNaNBits = (bits: number) => (bits & 0x7fff) > INFINITY_BITS;
const ALL = Array.from({ length: 65_536 }, (_, bits) => bits);
const FINITE = ALL.filter((bits) => (bits & 0x7fff) < INFINITY_BITS);

/** The value of bits by way of the float32 that has the same sign, fraction and exponent. */
function valueByFloat32(bits: number): number {
  const sign = (bits & 0x8000) << 16;
  const exponent = (bits & 0x7c00) >>> 10;
  const fraction = bits & 0x03ff;
  const asFloat32 = (word: number) => new Float32Array(Uint32Array.of(word).buffer)[0] as number;
  if (exponent === 31) return asFloat32(sign | 0x7f800000 | (fraction << 13));
  if (exponent > 0) return asFloat32(sign | ((exponent + 112) << 23) | (fraction << 13));
  // Too small for a leading one: what a number of the smallest exponent has above that exponent's own power.
  const power = asFloat32(sign | (113 << 23));
  const zero = asFloat32(sign);
  return fraction === 0 ? zero : asFloat32(sign | (113 << 23) | (fraction << 13)) - power;
}

/** All values from zero up, and the power of two behind the largest, which stands for what is rounded to infinity. */
const LADDER = [...ALL.slice(0, INFINITY_BITS).map(valueByFloat32), 65_536];

/** The nearest of all values; of two equally near that of even bits. */
function nearestBits(value: number): number {
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
  const size = Math.abs(value);
  let low = 0;
  let high = LADDER.length - 1;
  if (size >= 65_536) return sign | INFINITY_BITS;
  while (high - low > 1) {
    const middle = (low + high) >>> 1;
    if ((LADDER[middle] as number) <= size) low = middle;
    else high = middle;
  }
  const below = size - (LADDER[low] as number);
  const above = (LADDER[high] as number) - size;
  if (below === above) return sign | (low % 2 === 0 ? low : high);
  return sign | (below < above ? low : high);
}

describe('half-precision numbers', () => {
  it('have the value of the float32 with the same parts, for all 65,536 patterns', () => {
    expect(ALL.filter((bits) => !Object.is(float16Value(bits), valueByFloat32(bits)))).toEqual([]);
  });

  it('come back from their value, for all patterns but those of NaN', () => {
    expect(ALL.filter((bits) => !isNaNBits(bits) && float16Bits(float16Value(bits)) !== bits)).toEqual([]);
    const nan = float16Bits(Number.NaN);
    expect(isNaNBits(nan)).toBe(true);
    expect(ALL.filter((bits) => isNaNBits(bits) !== Number.isNaN(float16Value(bits)))).toEqual([]);
  });

  it('are rounded to the even one half-way between two, and to the nearer on either side', () => {
    const wrong: number[] = [];
    for (let bits = 0; bits < INFINITY_BITS; bits++) {
      const middle = ((LADDER[bits] as number) + (LADDER[bits + 1] as number)) / 2;
      const step = middle * 2 ** -50;
      for (const value of [middle - step, middle, middle + step]) {
        if (float16Bits(value) !== nearestBits(value)) wrong.push(value);
        if (float16Bits(-value) !== nearestBits(-value)) wrong.push(-value);
      }
    }
    expect(wrong).toEqual([]);
  });

  it('are the nearest to any number', () => {
    const anyNumber = fc.oneof(
      fc.double({ noNaN: true }),
      fc.double({ noNaN: true, min: -70_000, max: 70_000 }),
      fc.double({ noNaN: true, min: -(2 ** -13), max: 2 ** -13 }),
    );
    fc.assert(
      fc.property(anyNumber, (value) => {
        expect(float16Bits(value)).toBe(nearestBits(value));
      }),
      { numRuns: 5000 },
    );
  });

  it.each([
    [0, 0x0000],
    [-0, 0x8000],
    [1, 0x3c00],
    [-2, 0xc000],
    [65_504, 0x7bff],
    [65_519.996, 0x7bff],
    [65_520, INFINITY_BITS],
    [-65_520, 0xfc00],
    [1e300, INFINITY_BITS],
    [Number.POSITIVE_INFINITY, INFINITY_BITS],
    [Number.NEGATIVE_INFINITY, 0xfc00],
    // Half of the smallest is half-way to zero, which is even.
    [2 ** -24, 0x0001],
    [2 ** -25, 0x0000],
    [-(2 ** -25), 0x8000],
    [2 ** -25 * 1.0000001, 0x0001],
    [3 * 2 ** -25, 0x0002],
    [1e-300, 0x0000],
    [-1e-300, 0x8000],
    // The largest subnormal, the smallest normal, and what rounds up from the one to the other.
    [1023 * 2 ** -24, 0x03ff],
    [2 ** -14, 0x0400],
    [1023.5 * 2 ** -24, 0x0400],
    [2049, 0x6800],
    [2051, 0x6802],
  ])('%d is held as %d', (value, bits) => {
    expect(float16Bits(value)).toBe(bits);
  });
});

/** The fewest digits of which the number reads back to the same bits. */
function shortestByTrial(bits: number): number {
  for (let digits = 1; ; digits++) {
    const candidate = Number(float16Value(bits).toPrecision(digits));
    if (nearestBits(candidate) === bits) return candidate;
  }
}

describe('the text of a half-precision number', () => {
  it('is JSON that reads back to it, for every finite one', () => {
    // JSON prints no minus before a zero.
    const wrong = FINITE.filter((bits) => nearestBits(JSON.parse(float16Text(bits))) !== bits);
    expect(wrong).toEqual([0x8000]);
    expect(float16Text(0x8000)).toBe('0');
  });

  it('has no digit too many, but for whole numbers, which are printed as they are', () => {
    const isWhole = (bits: number) => Number.isInteger(float16Value(bits));
    const wrong = FINITE.filter(
      (bits) => !isWhole(bits) && Number(float16Text(bits)) !== shortestByTrial(bits),
    );
    expect(wrong).toEqual([]);
    const whole = FINITE.filter((bits) => isWhole(bits) && float16Text(bits) !== String(float16Value(bits)));
    expect(whole).toEqual([]);
  });

  it.each([
    [0x3c00, '1'],
    [0x2e66, '0.1'],
    [0x3555, '0.3333'],
    [0x7bff, '65504'],
    [0xfbff, '-65504'],
    [0x0001, '6e-8'],
    [0x0400, '0.00006104'],
  ])('%d is %s', (bits, text) => {
    expect(float16Text(bits)).toBe(text);
  });
});
