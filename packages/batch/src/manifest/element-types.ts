/** The element types of tensors that ONNX Runtime serves: how their values are held, and which whole numbers they hold exactly. */
export interface NumberType {
  kind: 'float' | 'int';
  array:
    | Float32ArrayConstructor
    | Float64ArrayConstructor
    | Int8ArrayConstructor
    | Uint8ArrayConstructor
    | Int16ArrayConstructor
    | Uint16ArrayConstructor
    | Int32ArrayConstructor
    | Uint32ArrayConstructor;
  /** The smallest and the largest number that fits, as it prints. */
  min: number;
  max: number;
  /** The whole numbers between these are held exactly. */
  exactMin: number;
  exactMax: number;
}

interface BigIntType {
  kind: 'bigint';
  array: BigInt64ArrayConstructor | BigUint64ArrayConstructor;
  min: bigint;
  max: bigint;
}

interface BoolType {
  kind: 'bool';
  array: Uint8ArrayConstructor;
}

interface StringType {
  kind: 'string';
}

function int(array: NumberType['array'], min: number, max: number): NumberType {
  return { kind: 'int', array, min, max, exactMin: min, exactMax: max };
}

function float(array: NumberType['array'], max: number, exactMax: number): NumberType {
  return { kind: 'float', array, min: -max, max, exactMin: -exactMax, exactMax };
}

/** float16 is held as its bits: Node has no array of its own for it before version 24. */
export const ELEMENT_TYPES = {
  float32: float(Float32Array, 3.4028235e38, 2 ** 24),
  // One less than 2^53: that a parsed number may also be when 2^53 + 1 was sent.
  float64: float(Float64Array, Number.MAX_VALUE, Number.MAX_SAFE_INTEGER),
  float16: float(Uint16Array, 65_504, 2 ** 11),
  int8: int(Int8Array, -(2 ** 7), 2 ** 7 - 1),
  uint8: int(Uint8Array, 0, 2 ** 8 - 1),
  int16: int(Int16Array, -(2 ** 15), 2 ** 15 - 1),
  uint16: int(Uint16Array, 0, 2 ** 16 - 1),
  int32: int(Int32Array, -(2 ** 31), 2 ** 31 - 1),
  uint32: int(Uint32Array, 0, 2 ** 32 - 1),
  int64: { kind: 'bigint', array: BigInt64Array, min: -(2n ** 63n), max: 2n ** 63n - 1n },
  uint64: { kind: 'bigint', array: BigUint64Array, min: 0n, max: 2n ** 64n - 1n },
  bool: { kind: 'bool', array: Uint8Array },
  string: { kind: 'string' },
} as const satisfies Record<string, NumberType | BigIntType | BoolType | StringType>;

export type ElementType = keyof typeof ELEMENT_TYPES;

export const ELEMENT_TYPE_NAMES = Object.keys(ELEMENT_TYPES) as [ElementType, ...ElementType[]];

export function isElementType(name: string): name is ElementType {
  return Object.hasOwn(ELEMENT_TYPES, name);
}

export type NumberArray = InstanceType<NumberType['array']>;
export type BigIntArray = BigInt64Array | BigUint64Array;
/** The values of a tensor in row-major order. */
export type TensorData = NumberArray | BigIntArray | string[];

/** `length` zeros, or empty strings. */
export function allocate(type: ElementType, length: number): TensorData {
  const found = ELEMENT_TYPES[type];
  return found.kind === 'string' ? new Array<string>(length).fill('') : new found.array(length);
}

/** The values from `start` up to `end`, without a copy where the array allows it. */
export function slice(data: TensorData, start: number, end: number): TensorData {
  return Array.isArray(data) ? data.slice(start, end) : data.subarray(start, end);
}

/** Copies `source` into `target` from position `at` on; both hold the same element type. */
export function copyInto(target: TensorData, source: TensorData, at: number): void {
  if (Array.isArray(target)) {
    (source as string[]).forEach((text, index) => {
      target[at + index] = text;
    });
  } else {
    // The kinds of both arrays agree; TypeScript cannot see that.
    (target as Float32Array).set(source as Float32Array, at);
  }
}
