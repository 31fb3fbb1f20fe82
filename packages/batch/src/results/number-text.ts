/** Numbers as the shortest text that reads back to the same value. */
import { float16Bits, float16Value } from '../manifest/float16.js';

const FLOAT32_MIN_NORMAL = 2 ** -126;

/**
 * The shortest decimal that reads back to the same float32. FLT_DIG (6) digits always survive, FLT_DECIMAL_DIG (9)
 * always suffice; a subnormal number has fewer.
 */
export function float32Text(value: number): string {
  if (Number.isInteger(value) && Math.abs(value) < 1e6) return String(value);
  for (let digits = Math.abs(value) < FLOAT32_MIN_NORMAL ? 1 : 6; digits < 9; digits++) {
    const candidate = Number(value.toPrecision(digits));
    if (Math.fround(candidate) === value) return String(candidate);
  }
  return String(Number(value.toPrecision(9)));
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
