import { ByteCursor } from '@millrace/batch/rows/byte-cursor';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { utf8 } from './byte-pieces.js';

/** The number at the beginning of a text, and how many characters spell it. */
function read(text: string): { value: number; length: number } {
  const cursor = new ByteCursor(utf8(`${text}\n`));
  return { value: cursor.number(), length: cursor.at };
}

/** Is a number as the whole of the text, just as `JSON.parse` says; compared by `Object.is`, so that zeros have signs. */
function expectSame(text: string): void {
  let expected: number | undefined;
  try {
    expected = JSON.parse(text) as number;
  } catch {
    const { value, length } = read(text);
    expect(Number.isNaN(value) || length < text.length).toBe(true);
    return;
  }
  expect(read(text)).toEqual({ value: expected, length: text.length });
}

const digits = (min: number, max: number) =>
  fc.array(fc.nat(9), { minLength: min, maxLength: max }).map((each) => each.join(''));
const anySign = fc.constantFrom('', '-');

/** Every form that JSON allows. */
const anyLiteral = fc
  .record({
    sign: anySign,
    whole: fc.oneof(
      fc.constant('0'),
      fc.tuple(fc.integer({ min: 1, max: 9 }), digits(0, 24)).map((each) => each.join('')),
    ),
    fraction: fc.oneof(
      fc.constant(''),
      digits(1, 30).map((each) => `.${each}`),
    ),
    exponent: fc.oneof(
      fc.constant(''),
      fc
        .tuple(fc.constantFrom('e', 'E'), fc.constantFrom('', '+', '-'), fc.oneof(fc.nat(30), fc.nat(400)))
        .map((each) => each.join('')),
    ),
  })
  .map(({ sign, whole, fraction, exponent }) => sign + whole + fraction + exponent);

/** Texts that are nearly numbers. */
const anyNearly = fc.stringMatching(/^[0-9.eE+-]{1,12}$/);

/** In the middle between two float64, and digits beyond that say to which side it belongs. */
const anyMiddle = fc
  .record({
    sign: anySign,
    odd: fc.bigInt({ min: 2n ** 53n, max: 2n ** 54n - 1n }).map((each) => each | 1n),
    shift: fc.bigInt({ min: 0n, max: 200n }),
    rest: fc.constantFrom('', '.0', '.5', '.00000000000000000000000001'),
  })
  .map(({ sign, odd, shift, rest }) => `${sign}${odd << shift}${rest}`);

/** The same of two float32, and any float64, to the last digit. */
const anyBits = fc
  .bigInt({ min: 0n, max: 2n ** 64n - 1n })
  .map((bits) => new Float64Array(BigUint64Array.of(bits).buffer)[0] as number);
const anyMiddle32 = fc
  .integer({ min: 0, max: 0x7f7f_fffe })
  .map((bits) => new Float32Array(Int32Array.of(bits, bits + 1).buffer))
  .map((pair) => ((pair[0] as number) + (pair[1] as number)) / 2);
const anyExact = fc
  .tuple(fc.oneof(anyBits.filter(Number.isFinite), anyMiddle32), fc.constantFrom(1, 5, 16, 17, 18, 40, 100))
  .map(([value, precision]) => value.toPrecision(precision).replace('e+', 'e'));

describe('a number in bytes is read as JSON.parse reads it', () => {
  it('in every form', () => {
    fc.assert(fc.property(anyLiteral, expectSame), { numRuns: 5_000 });
  });

  it('to the last bit, where two numbers are equally near', () => {
    fc.assert(fc.property(fc.oneof(anyMiddle, anyExact), expectSame), { numRuns: 4_000 });
  });

  it('or not at all', () => {
    fc.assert(fc.property(anyNearly, expectSame), { numRuns: 5_000 });
  });

  it.each([
    '0',
    '-0',
    '-0.0',
    '0e9',
    '0e-999',
    '5e-324',
    '4.9406564584124654e-324',
    '2e-324',
    '1e400',
    '-1E400',
    '0.1e1',
    '9007199254740993',
    '9007199254740992',
    '1e22',
    '1e23',
    '123456789012345678e-22',
    '1.7976931348623157e308',
    '1.7976931348623159e308',
    `1${'0'.repeat(400)}e-400`,
    `0.${'0'.repeat(400)}1e401`,
  ])('%s', expectSame);

  it.each([
    '',
    '-',
    '+1',
    '01',
    '-01',
    '1.',
    '.5',
    '1.e5',
    '1e',
    '1e+',
    '1e-',
    '--1',
    'Infinity',
    'NaN',
    '0x10',
  ])('and %j is none', (text) => {
    const { value, length } = read(text);
    expect(Number.isNaN(value) || length < text.length).toBe(true);
  });
});
