/** Numbers as the shortest text that reads back to the same value. */
import { float16Bits, float16Value } from '../manifest/float16.js';

const FLOAT32_MIN_NORMAL = 2 ** -126;

/**
 * The shortest decimal that reads back to the same float32. FLT_DIG (6) digits always survive, FLT_DECIMAL_DIG (9)
 * always suffice; a subnormal number has fewer.
 */
export function float32Text(value: number): string {
  const size = Math.abs(value);
  if (Number.isInteger(value) && size < 1e6) return String(value);
  const places = float32Places(size);
  if (places !== undefined) {
    const shortest = shifted(Math.round(shifted(size, places)), -places);
    return String(value < 0 ? -shortest : shortest);
  }
  for (let digits = size < FLOAT32_MIN_NORMAL ? 1 : 6; digits < 9; digits++) {
    const candidate = Number(value.toPrecision(digits));
    if (Math.fround(candidate) === value) return String(candidate);
  }
  return String(Number(value.toPrecision(9)));
}

/** Powers of ten that a float64 holds exactly. */
const POWERS_OF_TEN = Array.from({ length: 23 }, (_, exponent) => 10 ** exponent);

/** `value * 10 ** places`, rounded once. @param places from -22 to 22 */
export function shifted(value: number, places: number): number {
  return places < 0 ? value / (POWERS_OF_TEN[-places] as number) : value * (POWERS_OF_TEN[places] as number);
}

/** Between these, 9 digits are at most 22 places from the point. */
const SHIFTED_MIN = 1e-13;
const SHIFTED_MAX = 1e22;
/** A shifted number of 9 digits is off by less than a millionth: nearer to the middle it may be rounded the wrong way. */
const MIDDLE = 0.499_999;

/**
 * How many places behind the point (fewer than none: before it) the shortest decimal of a float32 has, of at least 6 digits.
 * @param size positive
 * @returns undefined where arithmetic in float64 cannot tell
 */
export function float32Places(size: number): number | undefined {
  if (!(size >= SHIFTED_MIN && size < SHIFTED_MAX)) return undefined;
  let places = 5;
  while (shifted(size, places - 5) < 1) places++;
  while (shifted(size, places - 5) >= 10) places--;
  for (const last = places + 3; places <= last; places++) {
    const digits = shifted(size, places);
    const rounded = Math.round(digits);
    if (Math.abs(digits - rounded) > MIDDLE) return undefined;
    if (Math.fround(shifted(rounded, -places)) === size) return places;
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
