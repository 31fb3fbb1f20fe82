/** The byte writer is responsible for text that is written piece by piece as UTF-8, into an array that grows. */
import { POWERS_OF_TEN } from '../powers-of-ten.js';

const SPACE = 0x20;
const QUOTE = 0x22;
const MINUS = 0x2d;
const POINT = 0x2e;
const ZERO = 0x30;
const BACKSLASH = 0x5c;
const TILDE = 0x7e;
const ASCII_MAX = 0x7f;
/** Of a number of 32 bits, its sign among them. */
const INTEGER_DIGITS_MAX = 11;
/** Copying fewer bytes one by one is faster than asking for it. */
const COPIED_SINGLY_MAX = 48;
/** The same of characters. */
const ENCODED_SINGLY_MAX = 96;
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

  /** What was written; good until more is. */
  written(): Uint8Array {
    return this.bytes.subarray(0, this.end);
  }

  byte(byte: number): void {
    this.reserve(1);
    this.bytes[this.end++] = byte;
  }

  append(source: Uint8Array, from = 0, to = source.length): void {
    const length = to - from;
    this.reserve(length);
    const { bytes, end } = this;
    if (length > COPIED_SINGLY_MAX) bytes.set(source.subarray(from, to), end);
    else for (let at = 0; at < length; at++) bytes[end + at] = source[from + at] as number;
    this.end = end + length;
  }

  /** Writes once more what another writer has written from this place on. */
  copy(other: ByteWriter, from: number): void {
    this.append(other.bytes, from, other.end);
  }

  /** Forgets what was written behind this place. */
  truncate(length: number): void {
    this.end = length;
  }

  text(text: string): void {
    this.reserve(text.length * UTF8_UNIT_MAX);
    const { bytes, end } = this;
    const ascii = text.length <= ENCODED_SINGLY_MAX ? encodeAscii(text, bytes, end) : 0;
    this.end += ascii > 0 ? ascii : UTF8.encodeInto(text, bytes.subarray(end)).written;
  }

  /** A text as JSON. */
  string(text: string): void {
    const { length } = text;
    this.reserve(length + 2);
    const { bytes, end } = this;
    bytes[end] = QUOTE;
    for (let at = 0; at < length; at++) {
      const code = text.charCodeAt(at);
      if (code < SPACE || code > TILDE || code === QUOTE || code === BACKSLASH) {
        this.text(JSON.stringify(text));
        return;
      }
      bytes[end + 1 + at] = code;
    }
    bytes[end + 1 + length] = QUOTE;
    this.end = end + length + 2;
  }

  /** A finite number as JSON, just as `String` spells it. */
  number(value: number): void {
    const size = Math.abs(value);
    if ((size | 0) !== size) {
      this.text(String(value));
      return;
    }
    this.reserve(INTEGER_DIGITS_MAX);
    if (value < 0) this.bytes[this.end++] = MINUS;
    this.digits(size);
  }

  /**
   * Writes `digits / 10 ** places` without an exponent, and without zeros at its end.
   * @param digits below 2^31
   * @param places up to 22
   */
  decimal(digits: number, places: number): void {
    this.reserve(INTEGER_DIGITS_MAX + 1 + places);
    const power = POWERS_OF_TEN[places] as number;
    const whole = Math.floor(digits / power);
    this.digits(whole);
    let rest = (digits - whole * power) | 0;
    if (rest === 0) return;
    let length = places;
    for (; rest % 10 === 0; length--) rest = (rest / 10) | 0;
    this.bytes[this.end++] = POINT;
    this.padded(rest, length);
  }

  private digits(value: number): void {
    let length = 1;
    while (value >= (POWERS_OF_TEN[length] as number)) length++;
    this.padded(value, length);
  }

  /** Just so many digits. */
  private padded(value: number, length: number): void {
    const { bytes, end } = this;
    let rest = value | 0;
    for (let at = end + length - 1; at >= end; at--) {
      const tenth = (rest / 10) | 0;
      bytes[at] = ZERO + rest - tenth * 10;
      rest = tenth;
    }
    this.end = end + length;
  }

  private reserve(length: number): void {
    if (this.end + length <= this.bytes.length) return;
    const grown = new Uint8Array(Math.max(this.end + length, 2 * this.bytes.length));
    grown.set(this.written());
    this.bytes = grown;
  }
}

/** @returns the bytes written: as many as there are characters, or none when they are not all of ASCII */
function encodeAscii(text: string, bytes: Uint8Array, start: number): number {
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code > ASCII_MAX) return 0;
    bytes[start + at] = code;
  }
  return text.length;
}
