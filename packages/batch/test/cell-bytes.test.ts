import {
  ELEMENT_TYPE_NAMES,
  ELEMENT_TYPES,
  type ElementType,
  type TensorData,
} from '@millrace/batch/manifest/element-types';
import { float16Value } from '@millrace/batch/manifest/float16';
import { ByteWriter } from '@millrace/batch/results/byte-writer';
import { cellWriter, objectWriter } from '@millrace/batch/results/cell-bytes';
import { cellPrinter, objectPrinter } from '@millrace/batch/results/cell-text';
import { type Column, ColumnBuilder } from '@millrace/batch/results/column';
import { float16Text, float32Text, int64Text } from '@millrace/batch/results/number-text';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { textOf } from './byte-pieces.js';

/** Bits as the numbers that they are in tensors of the type. */
function numbersOf(type: Exclude<ElementType, 'string'>, bits: readonly bigint[]): TensorData {
  const { array } = ELEMENT_TYPES[type];
  const all = BigUint64Array.from(bits);
  return new array(all.buffer).slice(0, bits.length) as TensorData;
}

const anyBits = fc.oneof(
  fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  fc.integer({ min: -9, max: 9 }).map((value) => BigInt.asUintN(64, BigInt(value))),
  fc
    .float({ noNaN: true })
    .map((value) => BigInt(new Uint32Array(Float32Array.of(value).buffer)[0] as number)),
  fc
    .double({ min: -1e7, max: 1e7 })
    .map((value) => new BigUint64Array(Float64Array.of(value).buffer)[0] as bigint),
);
const anyText = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.string({ unit: fc.constantFrom(...'ab é"\\\n\x7f😀') }),
  fc.string({ minLength: 90, maxLength: 300 }),
);

/** A column of any kind, whose rows are as many as its values suffice for. */
const anyColumn: fc.Arbitrary<{ column: Column; rows: number }> = fc
  .record({
    type: fc.constantFrom(...ELEMENT_TYPE_NAMES),
    bits: fc.array(anyBits, { minLength: 12, maxLength: 12 }),
    texts: fc.array(anyText, { minLength: 12, maxLength: 12 }),
    shape: fc.constantFrom<number[]>([], [], [1], [3], [2, 2], [0]),
    classes: fc.option(fc.array(anyText, { minLength: 1, maxLength: 4 }), { nil: undefined }),
    top_k: fc.option(fc.integer({ min: 1, max: 4 }), { nil: undefined, freq: 2 }),
    decimals: fc.option(fc.nat(15), { nil: undefined, freq: 2 }),
    int64: fc.constantFrom(undefined, 'auto', 'string', 'number'),
    non_finite: fc.constantFrom(undefined, 'error', 'string'),
    isOpen: fc.boolean(),
  })
  .map(({ type, bits, texts, shape, isOpen, ...head }) => {
    const size = shape.reduce((product, each) => product * each, 1);
    const rows = size === 0 ? 2 : 12 / size;
    const stated = isOpen ? shape.map(() => null) : shape;
    const builder = new ColumnBuilder({ name: 'y', type, shape: stated, ...head }, rows + 1);
    const data = type === 'string' ? texts : numbersOf(type, bits);
    builder.add(
      Uint32Array.from({ length: rows }, (_, row) => row),
      data,
      shape,
    );
    // One more row: where its shape is another, that of the column is open.
    const last = isOpen ? shape.map((each) => each + 1) : shape;
    builder.add(Uint32Array.of(rows), data, last);
    return { column: builder.finish(), rows: rows + 1 };
  });

/** The JSON text of a row's value, the simple way. */
function textOfRow({ head, data, place }: Column, row: number): string {
  const { type, classes, top_k: topK } = head;
  const { start, shape } = place(row);
  const text = (at: number) => valueText(head, data[at]);
  const nameOf = (at: number) => JSON.stringify(classes?.[at] ?? String(at));
  if (shape.length === 0) {
    const name = classes?.[Number(data[start])];
    return name === undefined ? text(start) : JSON.stringify(name);
  }
  if (shape.length === 1) {
    const places = Array.from({ length: shape[0] as number }, (_, at) => at);
    if (topK !== undefined) {
      const rank = (at: number) => {
        const value =
          type === 'float16' ? float16Value(data[start + at] as number) : Number(data[start + at]);
        return Number.isNaN(value) ? Number.NEGATIVE_INFINITY : value;
      };
      const highest = places.sort((a, b) => rank(b) - rank(a) || a - b).slice(0, topK);
      const member = (at: number) =>
        `{"class":${classes?.[at] === undefined ? at : nameOf(at)},"score":${text(start + at)}}`;
      return `[${highest.map(member).join(',')}]`;
    }
    if (classes !== undefined)
      return `{${places.map((at) => `${nameOf(at)}:${text(start + at)}`).join(',')}}`;
  }
  const listOf = (from: number, [size, ...inner]: readonly number[]): string => {
    if (size === undefined) return text(from);
    const step = inner.reduce((product, each) => product * each, 1);
    return `[${Array.from({ length: size }, (_, at) => listOf(from + at * step, inner)).join(',')}]`;
  };
  return listOf(start, shape);
}

function valueText(head: Column['head'], value: TensorData[number] | undefined): string {
  const { type, decimals, int64 = 'auto', non_finite: nonFinite } = head;
  if (type === 'string') return JSON.stringify(value);
  if (type === 'bool') return String(value !== 0);
  if (typeof value === 'bigint') {
    if (int64 === 'auto') return int64Text(value);
    return int64 === 'string' ? `"${value}"` : String(value);
  }
  const number = type === 'float16' ? float16Value(value as number) : (value as number);
  if (nonFinite === 'string' && !Number.isFinite(number)) return `"${number}"`;
  if (ELEMENT_TYPES[type].kind === 'float' && decimals !== undefined)
    return String(Number(number.toFixed(decimals)));
  if (type === 'float16') return float16Text(value as number);
  return type === 'float32' ? float32Text(number) : String(number);
}

describe('the bytes of a value are those of its text', () => {
  it('in a column of any kind', () => {
    fc.assert(
      fc.property(anyColumn, ({ column, rows }) => {
        const out = new ByteWriter(1);
        const print = cellPrinter(column);
        const printObject = objectPrinter([column, column]);
        let expected = '';
        for (let row = 0; row < rows; row++) {
          cellWriter(column)(row, out);
          objectWriter([column, column])(row, out);
          const text = textOfRow(column, row);
          const object = `{"y":${text},"y":${text}}`;
          expect([print(row), printObject(row)]).toEqual([text, object]);
          expected += text + object;
        }
        expect(textOf(out.written())).toBe(expected);
      }),
      { numRuns: 1000 },
    );
  });

  /** The texts of numbers in a column, by comma. */
  const written = (data: Float32Array<ArrayBuffer>) => {
    const builder = new ColumnBuilder({ name: 'y', type: 'float32', shape: [data.length] }, 1);
    builder.add(Uint32Array.of(0), data, [data.length]);
    const out = new ByteWriter(1);
    cellWriter(builder.finish())(0, out);
    return textOf(out.written()).slice(1, -1);
  };
  const spelled = (data: Float32Array) => Array.from(data, float32Text).join(',');

  it('of any float32', () => {
    const anyNumbers = fc.oneof(
      fc.uint32Array({ minLength: 40, maxLength: 40 }).map((bits) => new Float32Array(bits.buffer)),
      fc
        .array(
          fc.tuple(fc.integer({ min: -999_999_999, max: 999_999_999 }), fc.integer({ min: -22, max: 0 })),
          {
            minLength: 40,
          },
        )
        .map((pairs) => Float32Array.from(pairs, ([digits, exponent]) => Number(`${digits}e${exponent}`))),
      fc
        .array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 40 })
        .map((values) => Float32Array.from(values)),
    );
    fc.assert(
      fc.property(anyNumbers, (data) => {
        expect(written(data)).toBe(spelled(data));
      }),
      { numRuns: 1000 },
    );
  });

  it('of the powers of two and ten, and their neighbours', () => {
    const powers = Array.from({ length: 278 }, (_, at) => 2 ** (at - 150)).concat(
      Array.from({ length: 84 }, (_, at) => Number(`1e${at - 45}`)),
    );
    const bits = new Int32Array(Float32Array.from(powers).buffer);
    const data = new Float32Array(
      Int32Array.from([...bits].flatMap((each) => [each - 1, each, each + 1])).buffer,
    );
    expect(written(data)).toBe(spelled(data));
  });
});
