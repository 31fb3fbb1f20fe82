/** The byte writer is responsible for text that is written piece by piece as UTF-8, into an array that grows. */

const MINUS = 0x2d;
const POINT = 0x2e;
const ZERO = 0x30;
/** Of a number of 32 bits, its sign among them. */
const INTEGER_DIGITS_MAX = 11;
/** Copying fewer bytes one by one is faster than asking for it. */
const COPIED_SINGLY_MAX = 48;
/** So many bytes may a UTF-16 unit become. */
const UTF8_UNIT_MAX = 3;

const UTF8 = new TextEncoder();

export class ByteWriter {
  private bytes: Uint8Array;
  private end = 0;

  /** @param capacity bytes that are expected */
  constructor(capacity: number) {
    this.bytes = new Uint8Array(Math.max(capacity, 1));
  }

  /** Bytes that were written. */
  get length(): number {
    return this.end;
  }

  /** What was written from this place on; good until more is written. */
  written(from = 0): Uint8Array {
    return this.bytes.subarray(from, this.end);
  }

  byte(byte: number): void {
    this.reserve(1);
    this.bytes[this.end++] = byte;
  }

  literal(literal: Uint8Array): void {
    const { length } = literal;
    this.reserve(length);
    const { bytes, end } = this;
    if (length > COPIED_SINGLY_MAX) bytes.set(literal, end);
    else for (let at = 0; at < length; at++) bytes[end + at] = literal[at] as number;
    this.end = end + length;
  }

  text(text: string): void {
    const { length } = text;
    this.reserve(length * UTF8_UNIT_MAX);
    const { bytes, end } = this;
    if (length <= COPIED_SINGLY_MAX) {
      let at = 0;
      for (; at < length; at++) {
        const code = text.charCodeAt(at);
        if (code > 0x7f) break;
        bytes[end + at] = code;
      }
      if (at === length) {
        this.end = end + length;
        return;
      }
    }
    this.end = end + UTF8.encodeInto(text, bytes.subarray(end)).written;
  }

  /** @param value a whole number that a float64 holds exactly */
  integer(value: number): void {
    if ((value | 0) !== value) {
      this.text(String(value));
      return;
    }
    this.reserve(INTEGER_DIGITS_MAX);
    if (value < 0) this.bytes[this.end++] = MINUS;
    this.digits(Math.abs(value));
  }

  /** Writes `digits / 10 ** places` without an exponent, and without zeros at its end. @param digits below 2^31 */
  decimal(digits: number, places: number): void {
    this.reserve(INTEGER_DIGITS_MAX + 1 + places);
    const unit = 10 ** places;
    const whole = Math.floor(digits / unit);
    let rest = digits - whole * unit;
    let length = places;
    this.digits(whole);
    if (rest === 0) return;
    for (; rest % 10 === 0; length--) rest /= 10;
    this.bytes[this.end++] = POINT;
    this.padded(rest, length);
  }

  private digits(value: number): void {
    let length = 1;
    for (let power = 10; value >= power; power *= 10) length++;
    this.padded(value, length);
  }

  /** Just so many digits. */
  private padded(value: number, length: number): void {
    const { bytes } = this;
    let rest = value;
    this.end += length;
    for (let at = this.end - 1; at >= this.end - length; at--) {
      const tenth = Math.floor(rest / 10);
      bytes[at] = ZERO + rest - tenth * 10;
      rest = tenth;
    }
  }

  private reserve(length: number): void {
    if (this.end + length <= this.bytes.length) return;
    const grown = new Uint8Array(Math.max(this.end + length, 2 * this.bytes.length));
    grown.set(this.written());
    this.bytes = grown;
  }
}
