import { float32Text, int64Text } from '@millrace/batch/results/number-text';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

/** Any finite float32 by its bit pattern, so that every exponent is as likely as the next. */
const anyFloat32 = fc
  .integer({ min: 0, max: 0xffffffff })
  .map((bits) => new Float32Array(Uint32Array.of(bits).buffer)[0] as number)
  .filter(Number.isFinite);

/** A float32 that a few digits spell. */
const anyShortFloat32 = fc
  .tuple(fc.integer({ min: 1, max: 999_999 }), fc.integer({ min: -50, max: 32 }))
  .map(([digits, exponent]) => Math.fround(Number(`${digits}e${exponent}`)));

function shortestByTrial(value: number): number {
  for (let digits = 1; ; digits++) {
    const candidate = Number(value.toPrecision(digits));
    if (Math.fround(candidate) === value) return candidate;
  }
}

describe('the text of a float32', () => {
  it('is a JSON number that reads back to it', () => {
    fc.assert(
      fc.property(anyFloat32, (value) => {
        expect(Math.fround(JSON.parse(float32Text(value))) === value).toBe(true);
      }),
      { numRuns: 20_000 },
    );
  });

  it('has no digit too many', () => {
    fc.assert(
      fc.property(fc.oneof(anyFloat32, anyShortFloat32), (value) => {
        expect(Number(float32Text(value))).toBe(shortestByTrial(value) + 0);
      }),
      { numRuns: 20_000 },
    );
  });

  it.each([
    [0, '0'],
    [1, '1'],
    [-2.5, '-2.5'],
    [Math.fround(0.1), '0.1'],
    [Math.fround(1 / 3), '0.33333334'],
    [Math.fround(5.1), '5.1'],
    [123456, '123456'],
    [1e6, '1000000'],
    [16777216, '16777216'],
    [Math.fround(1e10), '10000000000'],
    [Math.fround(1e21), '1e+21'],
    [3.4028234663852886e38, '3.4028235e+38'],
    [2 ** -149, '1e-45'],
    [2 ** -126, '1.1754944e-38'],
  ])('%d is %s', (value, text) => {
    expect(float32Text(value)).toBe(text);
  });
});

describe('the text of an int64', () => {
  it('reads back to it, and is a number when a double holds it exactly', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), fc.nat(63), (large, shift) => {
        const value = large >> BigInt(shift);
        const read: unknown = JSON.parse(int64Text(value));
        expect(BigInt(read as string | number)).toBe(value);
        expect(typeof read).toBe(Number.isSafeInteger(Number(value)) ? 'number' : 'string');
      }),
      { numRuns: 2000 },
    );
  });

  it.each([
    [0n, '0'],
    [-7n, '-7'],
    [2n ** 53n - 1n, '9007199254740991'],
    [2n ** 53n, '"9007199254740992"'],
    [-(2n ** 53n), '"-9007199254740992"'],
    [2n ** 63n - 1n, '"9223372036854775807"'],
  ])('%d is %s', (value, text) => {
    expect(int64Text(value)).toBe(text);
  });
});
