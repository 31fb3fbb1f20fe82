import { allocate, type ElementType, type TensorData } from '@millrace/batch/manifest/element-types';
import type { Output } from '@millrace/batch/manifest/manifest';
import { cellPrinter } from '@millrace/batch/results/cell-text';
import type { ChunkOutcome } from '@millrace/batch/results/chunk-outcome';
import { type Column, ColumnBuilder, columnBytes, readColumn } from '@millrace/batch/results/column';
import { encodeChunk } from '@millrace/batch/results/encode-chunk';
import { type Outputs, readRows, toLine } from '@millrace/batch/results/read-chunk';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { textOf } from './byte-pieces.js';

const places = (...rows: number[]) => Uint32Array.from(rows);

/** The values of every row as they print. */
function texts(column: Column, rows: number): string[] {
  return Array.from({ length: rows }, (_, row) => cellPrinter(column)(row));
}

const OPEN: Output = { name: 'y', type: 'int32', shape: [null] };

describe('runs of the session make one column', () => {
  it('wherever their rows are', () => {
    const builder = new ColumnBuilder({ ...OPEN, shape: [2] }, 5);
    builder.add(places(4, 0), Int32Array.of(9, 10, 1, 2), [2]);
    builder.add(places(1, 2), Int32Array.of(3, 4, 5, 6), [2]);
    const column = builder.finish();
    expect(texts(column, 5)).toEqual(['[1,2]', '[3,4]', '[5,6]', '[0,0]', '[9,10]']);
    expect(column.head).toMatchObject({ shape: [2] });
  });

  it.each<[string, TensorData]>([
    ['float16', Uint16Array.of(0x3c00, 0x4000, 0x4200)],
    ['int64', BigInt64Array.of(1n, 2n, 3n)],
    ['string', ['1', '2', '3']],
    ['bool', Uint8Array.of(1, 0, 1)],
  ])('of %s', (type, values) => {
    const output = { name: 'y', type: type as ElementType, shape: [] };
    const together = new ColumnBuilder(output, 3);
    together.add(places(0, 1, 2), values, []);
    const apart = new ColumnBuilder(output, 3);
    apart.add(places(2, 0), [2, 0].map((at) => values[at]) as unknown as TensorData, []);
    apart.add(places(1), [values[1]] as unknown as TensorData, []);
    expect(apart.finish().data).toEqual(together.finish().data);
  });

  it('which passes over the rows that only fill a batch', () => {
    const builder = new ColumnBuilder({ ...OPEN, shape: [] }, 3);
    builder.add(places(0, 1), Int32Array.of(1, 2, 2, 2), []);
    builder.add(places(2), Int32Array.of(3, 3, 3, 3), []);
    expect([...(builder.finish().data as Int32Array)]).toEqual([1, 2, 3]);
  });

  it('of the shape that the manifest gives to as many values', () => {
    const shapeOf = (shape: Output['shape'], found: number[]) => {
      const builder = new ColumnBuilder({ ...OPEN, shape }, 1);
      builder.add(places(0), new Int32Array(found.reduce((size, each) => size * each, 1)), found);
      return builder.finish().head.shape;
    };
    expect(shapeOf([], [1])).toEqual([]);
    expect(shapeOf([1], [])).toEqual([1]);
    expect(shapeOf([6], [2, 3])).toEqual([6]);
    expect(shapeOf([null, 3], [2, 3])).toEqual([2, 3]);
  });

  it.each([
    [[3], [4], 'output "y" came out as [rows, 4], not as [rows, 3]'],
    [[], [2], 'output "y" came out as [rows, 2], not as [rows]'],
    [[null, 2], [2], 'output "y" came out as [rows, 2], not as [rows, ?, 2]'],
    [[null, 2], [4, 3], 'output "y" came out as [rows, 4, 3], not as [rows, ?, 2]'],
  ])('unless the manifest says %j and it is %j', (stated, found, message) => {
    const builder = new ColumnBuilder({ ...OPEN, shape: stated }, 1);
    expect(() => builder.add(places(0), new Int32Array(20), found)).toThrow(new Error(message));
  });

  it('with each row of its own shape, once two runs differ', () => {
    const builder = new ColumnBuilder({ ...OPEN, shape: [null, 2] }, 5);
    builder.add(places(3, 0), Int32Array.of(1, 2, 3, 4), [1, 2]);
    builder.add(places(1), Int32Array.of(5, 6, 7, 8, 9, 9), [2, 2]);
    builder.add(places(4), Int32Array.of(10, 11), [1, 2]);
    const column = builder.finish();
    expect(column.head).not.toHaveProperty('shape');
    expect(column.head.shapes?.[1]).toEqual([2, 2]);
    const printed = texts(column, 5);
    expect(printed.toSpliced(2, 1)).toEqual(['[[3,4]]', '[[5,6],[7,8]]', '[[1,2]]', '[[10,11]]']);
  });

  it('with one shape where all rows have it, though any would do', () => {
    const builder = new ColumnBuilder(OPEN, 3);
    builder.add(places(2, 0), Int32Array.of(5, 6, 1, 2), [2]);
    builder.add(places(1), Int32Array.of(3, 4), [2]);
    const column = builder.finish();
    expect(column.head.shape).toEqual([2]);
    expect(column.head).not.toHaveProperty('shapes');
    expect(texts(column, 3)).toEqual(['[1,2]', '[3,4]', '[5,6]']);
  });

  it('in no more room than its rows take, however long the first is', () => {
    const builder = new ColumnBuilder(OPEN, 16_384);
    builder.add(places(0), new Int32Array(300_000), [300_000]);
    builder.add(places(1), Int32Array.of(7), [1]);
    expect(builder.finish().data).toHaveLength(300_001);
  });

  it('with nothing in it when no row was predicted', () => {
    const column = new ColumnBuilder({ ...OPEN, type: 'float64' }, 3).finish();
    expect([...(column.data as Float64Array)]).toEqual([]);
  });
});

/** Rows of text lists, of whole numbers, or of lists of them; which ones were predicted, and in which runs. */
const anyRuns = fc.record({
  type: fc.constantFrom<ElementType>('string', 'int64', 'float16', 'float32', 'bool', 'uint8'),
  lengths: fc.array(fc.option(fc.nat(3), { nil: undefined }), { minLength: 1, maxLength: 8 }),
  reverse: fc.boolean(),
  firstRow: fc.nat(),
});

function valuesOf(type: ElementType, row: number, length: number): { data: TensorData; texts: string[] } {
  const data = allocate(type, length) as unknown[];
  const printed = Array.from({ length }, (_, at) => {
    const value = (row * 3 + at) % 2;
    const text = `${row}.${at} é`;
    const forms = { string: text, int64: BigInt(value), float16: value === 0 ? 0 : 0x3c00, bool: value };
    data[at] = type in forms ? forms[type as 'string'] : value;
    if (type === 'string') return JSON.stringify(text);
    return type === 'bool' ? String(value === 1) : String(value);
  });
  return { data: data as unknown as TensorData, texts: printed };
}

describe('rows of any shape', () => {
  it('are stored and read back, whatever was predicted in which order', () => {
    fc.assert(
      fc.property(anyRuns, ({ type, lengths, reverse, firstRow }) => {
        const ragged = new ColumnBuilder({ name: 'ragged', type, shape: [null] }, lengths.length);
        const label = new ColumnBuilder({ name: 'label', type: 'int64', shape: [] }, lengths.length);
        const rows = reverse ? [...lengths.entries()].reverse() : [...lengths.entries()];
        for (const [row, length] of rows) {
          if (length === undefined) continue;
          ragged.add(places(row), valuesOf(type, row, length).data, [length]);
          label.add(places(row), BigInt64Array.of(BigInt(row)), []);
        }
        const outcome: ChunkOutcome = {
          firstRow,
          rows: lengths.length,
          errors: lengths.flatMap((length, row) =>
            length === undefined ? [{ row: firstRow + row, code: 'wrong_type', message: 'x' } as const] : [],
          ),
          columns: [label.finish(), ragged.finish()],
          shown: { primary: 'ragged', default_outputs: ['label', 'ragged'] },
        };
        const { segments } = encodeChunk(outcome);
        const read = (outputs: Outputs) =>
          Array.from(readRows(segments, firstRow, lengths.length, outputs), ({ prediction }) => prediction);
        const list = lengths.map((length, row) =>
          length === undefined ? undefined : `[${valuesOf(type, row, length).texts.join(',')}]`,
        );
        const object = list.map((text, row) =>
          text === undefined ? undefined : `{"label":${row},"ragged":${text}}`,
        );
        expect(read('primary')).toEqual(list);
        expect(read('all')).toEqual(object);
        expect(read('default')).toEqual(object);
        const lines = Array.from(readRows(segments, firstRow, lengths.length, 'default'), toLine).join('');
        expect(lines).toBe(textOf(segments.lines as Uint8Array));
      }),
      { numRuns: 300 },
    );
  });

  it('are read from bytes at any offset', () => {
    const builder = new ColumnBuilder({ name: 'y', type: 'float64', shape: [null] }, 2);
    builder.add(places(0), Float64Array.of(1.5, 2.5), [2]);
    builder.add(places(1), Float64Array.of(3.5), [1]);
    const column = builder.finish();
    const bytes = columnBytes(column);
    const shifted = new Uint8Array(bytes.length + 3);
    shifted.set(bytes, 3);
    expect(texts(readColumn(column.head, shifted.subarray(3)), 2)).toEqual(['[1.5,2.5]', '[3.5]']);
  });
});
