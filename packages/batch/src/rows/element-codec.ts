/** Checks single values of a feature and writes them to a tensor of one element type. */
import { didYouMean } from '../did-you-mean.js';
import type { RowCode } from '../errors.js';
import {
  type BigIntArray,
  ELEMENT_TYPES,
  type ElementType,
  type NumberArray,
  type NumberType,
  type TensorData,
} from '../manifest/element-types.js';
import { float16Bits } from '../manifest/float16.js';
import { describe, shorten } from './describe.js';

export interface ValueProblem {
  code: RowCode;
  message: string;
}

/** The numbers that fit, both ends included; whole ones only where it says so. */
export type NumberRange =
  | { kind: 'number'; min: number; max: number; integer: boolean }
  | { kind: 'bigint'; min: bigint; max: bigint };

export interface ElementCodec {
  /** Of a number that a tensor holds as it is; absent for everything else. */
  readonly range?: NumberRange | undefined;
  /** True when no value is within the bounds and what the tensor holds. */
  readonly isUnsatisfiable?: boolean;
  /** Writes a JSON value to `data[at]`; false, with nothing of meaning written, when it does not fit. */
  write(value: unknown, data: TensorData, at: number): boolean;
  /** Why a value does not fit. */
  explain(value: unknown): ValueProblem;
  /** The JSON value that a CSV field spells; the field itself when it spells none of this type. */
  fromText(field: string): unknown;
}

/** What a value may be; `values` of a category, the bounds of a number, the length of a string. */
export interface ElementRule {
  type: 'float' | 'int' | 'bool' | 'string' | 'category';
  min?: number | undefined;
  max?: number | undefined;
  max_length?: number | undefined;
  values?: readonly (string | number)[] | undefined;
}

/** @param type of the tensor; `complete.ts` has checked that it can hold such values */
export function elementCodec(rule: ElementRule, type: ElementType): ElementCodec {
  const { kind } = ELEMENT_TYPES[type];
  switch (rule.type) {
    case 'string':
      return new StringCodec(rule.max_length ?? Number.POSITIVE_INFINITY);
    case 'category':
      return new CategoryCodec(rule.values ?? [], type);
    case 'bool':
      return new BoolCodec(kind === 'bigint', type === 'float16');
    case 'float':
    case 'int':
      if (kind === 'bigint') return new BigIntCodec(rule, type);
      return type === 'float16' ? new Float16Codec(rule, type) : new NumberCodec(rule, type);
  }
}

class NumberCodec implements ElementCodec {
  protected readonly integer: boolean;
  protected readonly min: number;
  protected readonly max: number;

  constructor(rule: ElementRule, type: ElementType) {
    const held = ELEMENT_TYPES[type] as NumberType;
    this.integer = rule.type === 'int';
    const [min, max] = this.integer ? [held.exactMin, held.exactMax] : [held.min, held.max];
    this.min = Math.max(rule.min ?? min, min);
    this.max = Math.min(rule.max ?? max, max);
  }

  get range(): NumberRange | undefined {
    const { min, max, integer } = this;
    return { kind: 'number', min, max, integer };
  }

  get isUnsatisfiable(): boolean {
    return this.integer ? Math.ceil(this.min) > Math.floor(this.max) : this.min > this.max;
  }

  write(value: unknown, data: TensorData, at: number): boolean {
    if (!this.fits(value)) return false;
    (data as NumberArray)[at] = value;
    return true;
  }

  explain(value: unknown): ValueProblem {
    const wanted = this.integer ? 'a whole number' : 'a number';
    const isWhole = !this.integer || !Number.isFinite(value) || Number.isInteger(value);
    if (typeof value !== 'number' || !isWhole) {
      return { code: 'wrong_type', message: `expected ${wanted}, got ${describe(value)}` };
    }
    return { code: 'out_of_range', message: `${value} is outside ${this.min} to ${this.max}` };
  }

  fromText(field: string): unknown {
    const value = numberOf(field);
    return Number.isNaN(value) ? field : value;
  }

  protected fits(value: unknown): value is number {
    return (
      typeof value === 'number' &&
      value >= this.min &&
      value <= this.max &&
      (!this.integer || Number.isInteger(value))
    );
  }
}

class Float16Codec extends NumberCodec {
  /** The tensor holds the bits of a number. */
  override get range(): undefined {
    return undefined;
  }

  override write(value: unknown, data: TensorData, at: number): boolean {
    if (!this.fits(value)) return false;
    (data as NumberArray)[at] = float16Bits(value);
    return true;
  }
}

/** 64-bit integers come as numbers as far as a JSON number is exact, as strings of digits beyond. */
class BigIntCodec implements ElementCodec {
  private readonly min: bigint;
  private readonly max: bigint;

  constructor(rule: ElementRule, type: ElementType) {
    const held = ELEMENT_TYPES[type] as { min: bigint; max: bigint };
    const min = rule.min === undefined ? held.min : BigInt(Math.ceil(rule.min));
    const max = rule.max === undefined ? held.max : BigInt(Math.floor(rule.max));
    this.min = min > held.min ? min : held.min;
    this.max = max < held.max ? max : held.max;
  }

  get range(): NumberRange {
    const { min, max } = this;
    return { kind: 'bigint', min, max };
  }

  get isUnsatisfiable(): boolean {
    return this.min > this.max;
  }

  write(value: unknown, data: TensorData, at: number): boolean {
    const whole = wholeNumber(value);
    if (whole === undefined || whole < this.min || whole > this.max) return false;
    (data as BigIntArray)[at] = whole;
    return true;
  }

  explain(value: unknown): ValueProblem {
    const whole = wholeNumber(value);
    const isNumber = typeof value === 'number' && (!Number.isFinite(value) || Number.isInteger(value));
    if (whole !== undefined || (isNumber && (value < this.min || value > this.max))) {
      return { code: 'out_of_range', message: `${whole ?? value} is outside ${this.min} to ${this.max}` };
    }
    if (isNumber) {
      return {
        code: 'out_of_range',
        message: `${value} is beyond 2^53 - 1, where a JSON number loses digits; send it as a string`,
      };
    }
    return { code: 'wrong_type', message: `expected a whole number, got ${describe(value)}` };
  }

  fromText(field: string): unknown {
    const text = field.trim();
    const value = numberOf(text);
    return Number.isSafeInteger(value) || !WHOLE_NUMBER_TEXT.test(text)
      ? Number.isNaN(value)
        ? field
        : value
      : text;
  }
}

/** How a text spells a 64-bit integer; longer ones are not converted, which would take time beyond their length. */
export const WHOLE_NUMBER_TEXT = /^[+-]?\d{1,20}$/;

function wholeNumber(value: unknown): bigint | undefined {
  if (typeof value === 'number') return Number.isSafeInteger(value) ? BigInt(value) : undefined;
  if (typeof value !== 'string' || !WHOLE_NUMBER_TEXT.test(value)) return undefined;
  return BigInt(value.startsWith('+') ? value.slice(1) : value);
}

class BoolCodec implements ElementCodec {
  private readonly one: number;

  constructor(
    private readonly isBigInt: boolean,
    isFloat16: boolean,
  ) {
    this.one = isFloat16 ? float16Bits(1) : 1;
  }

  write(value: unknown, data: TensorData, at: number): boolean {
    if (typeof value !== 'boolean') return false;
    if (this.isBigInt) (data as BigIntArray)[at] = value ? 1n : 0n;
    else (data as NumberArray)[at] = value ? this.one : 0;
    return true;
  }

  explain(value: unknown): ValueProblem {
    return { code: 'wrong_type', message: `expected true or false, got ${describe(value)}` };
  }

  fromText(field: string): unknown {
    switch (field.trim().toLowerCase()) {
      case 'true':
      case '1':
        return true;
      case 'false':
      case '0':
        return false;
      default:
        return field;
    }
  }
}

const NUL = '\u0000';

class StringCodec implements ElementCodec {
  constructor(private readonly maxLength: number) {}

  write(value: unknown, data: TensorData, at: number): boolean {
    if (typeof value !== 'string' || value.length > this.maxLength || value.includes(NUL)) return false;
    (data as string[])[at] = value;
    return true;
  }

  explain(value: unknown): ValueProblem {
    if (typeof value !== 'string') {
      return { code: 'wrong_type', message: `expected a string, got ${describe(value)}` };
    }
    if (value.length > this.maxLength) {
      const message = `expected at most ${this.maxLength} characters, got ${value.length}`;
      return { code: 'wrong_length', message };
    }
    const message = `holds U+0000 at position ${value.indexOf(NUL)}, where ONNX Runtime would cut the text off`;
    return { code: 'out_of_range', message };
  }

  fromText(field: string): unknown {
    return field;
  }
}

class CategoryCodec implements ElementCodec {
  /** What the tensor is fed for each value. */
  private readonly fed: ReadonlyMap<unknown, string | number | bigint>;
  private readonly isNumeric: boolean;

  constructor(values: readonly (string | number)[], type: ElementType) {
    this.isNumeric = typeof values[0] === 'number';
    const { kind } = ELEMENT_TYPES[type];
    const feed = (value: string | number, index: number): string | number | bigint => {
      if (kind === 'string') return value;
      const number = typeof value === 'number' ? value : index;
      if (kind === 'bigint') return BigInt(number);
      return type === 'float16' ? float16Bits(number) : number;
    };
    this.fed = new Map(values.map((value, index) => [value, feed(value, index)]));
  }

  write(value: unknown, data: TensorData, at: number): boolean {
    const fed = this.fed.get(value);
    if (fed === undefined) return false;
    (data as (string | number | bigint)[])[at] = fed;
    return true;
  }

  explain(value: unknown): ValueProblem {
    if (typeof value !== (this.isNumeric ? 'number' : 'string')) {
      const wanted = this.isNumeric ? 'a number' : 'a string';
      return { code: 'wrong_type', message: `expected ${wanted}, got ${describe(value)}` };
    }
    const { size } = this.fed;
    const known = size <= HINTED_MAX ? [...this.fed.keys()].map(String) : [];
    const shown = typeof value === 'string' ? JSON.stringify(shorten(value)) : value;
    const hint = typeof value === 'string' ? didYouMean(shorten(value), known) : '';
    const list = hint !== '' || size > LISTED_MAX ? hint : `: ${known.join(', ')}`;
    return { code: 'unknown_category', message: `${shown} is not one of its ${size} values${list}` };
  }

  fromText(field: string): unknown {
    if (!this.isNumeric) return field;
    const value = numberOf(field);
    return Number.isNaN(value) ? field : value;
  }
}

const LISTED_MAX = 10;
/** Looking for the nearest of more values would take milliseconds, for every row at fault. */
const HINTED_MAX = 200;

/** No two parts can match the same digit: a long field is refused in one pass. */
const DECIMAL = /^[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?$/;

/** The number that a CSV field spells in decimal; NaN for anything else, `0x10` and `Infinity` included. */
function numberOf(field: string): number {
  const text = field.trim();
  return DECIMAL.test(text) ? Number(text) : Number.NaN;
}
