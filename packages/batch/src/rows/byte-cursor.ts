/**
 * The byte cursor is responsible for single values in plain bytes: numbers as JSON spells them, texts of printable ASCII.
 * It says so when something else stands there, and has no place of meaning then. It is fast where a line feed or a bracket
 * stands behind every value, so that it never looks beyond the bytes.
 */
import { POWERS_OF_TEN } from '../powers-of-ten.js';

export const LF = 0x0a;
const CR = 0x0d;
const QUOTE = 0x22;
const PLUS = 0x2b;
const COMMA = 0x2c;
const MINUS = 0x2d;
const POINT = 0x2e;
const ZERO = 0x30;
const LOWER_E = 0x65;
const BACKSLASH = 0x5c;
const CASE_BIT = 0x20;

export class ByteCursor {
  at = 0;
  /** True when a number so far was -0. */
  sawNegativeZero = false;
  /** The bytes as characters, one each. */
  private text: string | undefined;

  constructor(private readonly bytes: Uint8Array) {}

  /** Passes over just these bytes; false when others stand here. */
  skip(literal: Uint8Array): boolean {
    const { bytes, at } = this;
    const { length } = literal;
    // Spelled out: by `standsAt`, rows take a few percent longer.
    for (let index = 0; index < length; index++) if (bytes[at + index] !== literal[index]) return false;
    this.at = at + length;
    return true;
  }

  /** Passes over a line end; false when none stands here. */
  skipLineEnd(): boolean {
    if (this.bytes[this.at] === CR) this.at++;
    return this.bytes[this.at++] === LF;
  }

  /** The float64 nearest to the number that stands here, as `JSON.parse` gives it; NaN when none does. */
  number(): number {
    const { bytes } = this;
    const start = this.at;
    const isNegative = bytes[start] === MINUS;
    let at = isNegative ? start + 1 : start;
    let digit = (bytes[at++] as number) - ZERO;
    if (digit < 0 || digit > 9) return Number.NaN;
    let mantissa = digit;
    // No digit may follow a leading zero.
    if (mantissa !== 0) {
      for (digit = (bytes[at] as number) - ZERO; digit >= 0 && digit <= 9; ) {
        mantissa = mantissa * 10 + digit;
        digit = (bytes[++at] as number) - ZERO;
      }
    }
    let exponent = 0;
    if (bytes[at] === POINT) {
      const first = ++at;
      for (digit = (bytes[at] as number) - ZERO; digit >= 0 && digit <= 9; ) {
        mantissa = mantissa * 10 + digit;
        digit = (bytes[++at] as number) - ZERO;
      }
      if (at === first) return Number.NaN;
      exponent = first - at;
    }
    this.at = at;
    if (((bytes[at] as number) | CASE_BIT) === LOWER_E) {
      exponent += this.exponent();
      if (Number.isNaN(exponent)) return exponent;
    }
    const isWhole = exponent === 0 && mantissa <= Number.MAX_SAFE_INTEGER;
    const size = isWhole
      ? mantissa
      : (scaled(mantissa, exponent) ?? Math.abs(Number(this.slice(start, this.at))));
    if (!isNegative) return size;
    if (size === 0) this.sawNegativeZero = true;
    return -size;
  }

  /** The text up to the first byte that is not among these. @param plain by byte, 1 for those of the text */
  plainText(plain: Uint8Array): string {
    const { bytes } = this;
    const start = this.at;
    let at = start;
    while (plain[bytes[at] as number] === 1) at++;
    this.at = at;
    return this.slice(start, at);
  }

  /** Reads the `e` of a number and what follows it; NaN when that is no whole number. */
  private exponent(): number {
    const { bytes } = this;
    let at = this.at + 1;
    const sign = bytes[at] as number;
    if (sign === MINUS || sign === PLUS) at++;
    const first = at;
    let value = 0;
    for (let digit = (bytes[at] as number) - ZERO; digit >= 0 && digit <= 9; ) {
      value = value * 10 + digit;
      digit = (bytes[++at] as number) - ZERO;
    }
    this.at = at;
    if (at === first) return Number.NaN;
    return sign === MINUS ? -value : value;
  }

  private slice(start: number, end: number): string {
    const { buffer, byteOffset, byteLength } = this.bytes;
    this.text ??= Buffer.from(buffer, byteOffset, byteLength).toString('latin1');
    return this.text.slice(start, end);
  }
}

const POWER_MAX = POWERS_OF_TEN.length - 1;

/**
 * The float64 nearest to `mantissa * 10 ** exponent`, by a single operation on two numbers that are exact (W. Clinger, How
 * to Read Floating Point Numbers Accurately, 1990); undefined where that is not enough.
 */
function scaled(mantissa: number, exponent: number): number | undefined {
  if (mantissa > Number.MAX_SAFE_INTEGER || exponent > POWER_MAX || exponent < -POWER_MAX) return undefined;
  return exponent < 0
    ? mantissa / (POWERS_OF_TEN[-exponent] as number)
    : mantissa * (POWERS_OF_TEN[exponent] as number);
}

/** Printable ASCII but for these. */
function plainBytes(...stops: number[]): Uint8Array {
  return Uint8Array.from({ length: 256 }, (_, byte) =>
    byte >= 0x20 && byte < 0x7f && !stops.includes(byte) ? 1 : 0,
  );
}

/** What a JSON string may hold between its quotes to be just that text. */
export const PLAIN_STRING = plainBytes(QUOTE, BACKSLASH);
/** The same of a CSV field without quotes. */
export const PLAIN_FIELD = plainBytes(QUOTE, COMMA);
