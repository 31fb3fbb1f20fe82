/** Numbers as the shortest text that reads back to the same value. */
import { float16Bits, float16Value } from '../manifest/float16.js';
import { POWERS_OF_TEN } from '../powers-of-ten.js';

const FLOAT32_MIN_NORMAL = 2 ** -126;

/**
 * The shortest decimal that reads back to the same float32. FLT_DIG (6) digits always survive, FLT_DECIMAL_DIG (9)
 * always suffice; a subnormal number has fewer.
 */
export function float32Text(value: number): string {
  const size = Math.abs(value);
  if (Number.isInteger(value) && size < 1e6) return String(value);
  for (let digits = size < FLOAT32_MIN_NORMAL ? 1 : 6; digits < 9; digits++) {
    const candidate = Number(value.toPrecision(digits));
    if (Math.fround(candidate) === value) return String(candidate);
  }
  return String(Number(value.toPrecision(9)));
}

/** From here on, 9 digits end at most 22 places behind the point; up to there, 6 digits do not end before it. */
const PLACES_MIN = 1e-13;
const PLACES_MAX = 1e6;
/** Half the distance from a float32 to the next one, in relation to it, is less. */
const HALF_STEP = 5.9605e-8;
/** A product is off by less than a millionth: nearer to the middle of two whole numbers it may be rounded the wrong way. */
const MIDDLE = 0.499_999;

/**
 * How many places behind the point the decimal of `float32Text` has, zeros at its end among them.
 * @param size of the number, without its sign
 * @returns undefined where arithmetic in float64 cannot tell
 */
export function float32Places(size: number): number | undefined {
  if (!(size >= PLACES_MIN && size < PLACES_MAX)) return undefined;
  let places = 5;
  while (size * (POWERS_OF_TEN[places - 5] as number) < 1) places++;
  while (size >= (POWERS_OF_TEN[6 - places] as number)) places--;
  for (const last = places + 3; places <= last; places++) {
    const power = POWERS_OF_TEN[places] as number;
    const digits = size * power;
    const rounded = Math.round(digits);
    const error = Math.abs(digits - rounded);
    if (error > digits * HALF_STEP) continue;
    if (error > MIDDLE) return undefined;
    if (Math.fround(rounded / power) === size) return places;
  }
  return undefined;
}

/** The shortest decimal that reads back to the same float16, of which 5 digits always suffice. */
export function float16Text(bits: number): string {
  const value = float16Value(bits);
  if (Number.isInteger(value)) return String(value);
  for (let digits = 1; digits < 5; digits++) {
    const candidate = Number(value.toPrecision(digits));
    if (float16Bits(candidate) === bits) return String(candidate);
  }
  return String(Number(value.toPrecision(5)));
}

/** A 64-bit integer as a JSON number while a double holds it exactly, as a JSON string beyond. */
export function int64Text(value: bigint): string {
  const number = Number(value);
  return Number.isSafeInteger(number) ? String(number) : `"${value}"`;
}
