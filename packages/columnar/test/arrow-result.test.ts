import type { RowError } from '@millrace/batch/errors';
import { allocate, ELEMENT_TYPES, type ElementType } from '@millrace/batch/manifest/element-types';
import { float16Bits, float16Value } from '@millrace/batch/manifest/float16';
import type { Output } from '@millrace/batch/manifest/manifest';
import { ColumnBuilder } from '@millrace/batch/results/column';
import { encodeChunk } from '@millrace/batch/results/encode-chunk';
import { headsOf, type Outputs, readRows } from '@millrace/batch/results/read-chunk';
import { END_OF_STREAM, join, schemaMessage } from '@millrace/columnar/ipc/writer';
import { readCells, resultBatch, taskErrorBatch } from '@millrace/columnar/results/result-batch';
import { outputType, resultFields } from '@millrace/columnar/results/result-schema';
import { tableFromIPC } from 'apache-arrow';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { arrowRows } from './arrow-rows.js';

const ROWS_MAX = 6;
const TYPES = Object.keys(ELEMENT_TYPES) as ElementType[];
const CLASSES = ['zero', 'one'];

/** What a tensor holds for a number. */
function held(type: ElementType, value: number): number | bigint | string {
  if (type === 'string') return `text ${value} é`;
  if (type.endsWith('int64')) return BigInt(value) * 2n ** 55n;
  if (type === 'float16') return float16Bits(value / 3);
  return type.startsWith('float') ? value / 3 : type === 'bool' ? value % 2 : value;
}

const anyOutput = fc.record({
  type: fc.constantFrom(...TYPES),
  shape: fc.array(fc.option(fc.integer({ min: 1, max: 2 })), { maxLength: 2 }),
  named: fc.boolean(),
});

const anyChunk = fc.record({
  rows: fc.integer({ min: 1, max: ROWS_MAX }),
  outputs: fc.array(anyOutput, { minLength: 1, maxLength: 3 }),
  bad: fc.array(fc.boolean(), { minLength: ROWS_MAX, maxLength: ROWS_MAX }),
  ids: fc.option(
    fc.array(fc.option(fc.oneof(fc.string(), fc.integer())), { minLength: ROWS_MAX, maxLength: ROWS_MAX }),
  ),
  sizes: fc.array(fc.integer({ min: 1, max: 2 }), { minLength: ROWS_MAX, maxLength: ROWS_MAX }),
  shown: fc.constantFrom<Outputs>('default', 'primary', 'all'),
});
type AnyChunk = typeof anyChunk extends fc.Arbitrary<infer T> ? T : never;

function encode({ rows, outputs, bad, ids, sizes }: AnyChunk) {
  const firstRow = 2 ** 32 - 2;
  const errors = Array.from({ length: rows }, (_, place): RowError[] =>
    bad[place] ? [{ row: firstRow + place, code: 'timeout', message: `no ${place}` }] : [],
  ).flat();
  const columns = outputs.map(({ type, shape, named }, at) => {
    // Classes are for whole numbers.
    const isNamed = named && ELEMENT_TYPES[type].kind === 'int';
    const output: Output = { name: at === 0 ? 'row' : `y${at}`, type, shape };
    const builder = new ColumnBuilder(isNamed ? { ...output, classes: CLASSES } : output, rows);
    for (let place = 0; place < rows; place++) {
      if (bad[place]) continue;
      const own = shape.map((size) => size ?? (sizes[place] as number));
      const size = own.reduce((product, each) => product * each, 1);
      const data = allocate(type, size);
      for (let index = 0; index < size; index++) data[index] = held(type, (place + index) % 3) as never;
      builder.add(Uint32Array.of(place), data, own);
    }
    return builder.finish();
  });
  const names = Array.from({ length: rows }, (_, place) => ids?.[place] ?? undefined);
  const given = ids === null ? {} : { ids: names };
  const shown = { primary: 'row', ...(outputs.length > 2 ? { default_outputs: ['y1', 'row'] } : {}) };
  return { firstRow, segments: encodeChunk({ firstRow, rows, errors, columns, shown, ...given }).segments };
}

/** A value of Arrow and one of JSON, in a form in which the same ones are equal. */
function comparable(value: unknown, type: ElementType): unknown {
  if (Array.isArray(value)) return value.map((each) => comparable(each, type));
  if (value !== null && typeof value === 'object')
    return Object.values(value).map((each) => comparable(each, type));
  if (typeof value === 'bigint' || type.endsWith('int64')) return String(value);
  if (typeof value !== 'number') return value;
  if (type === 'float16') return float16Value(float16Bits(value));
  return type === 'float32' ? Math.fround(value) : value;
}

it('a result as Arrow is that as NDJSON, of any outputs', () => {
  fc.assert(
    fc.property(anyChunk, fc.nat(ROWS_MAX), (chunk, from) => {
      const { firstRow, segments } = encode(chunk);
      const heads = headsOf(segments, chunk.shown) ?? [];
      const cells = [...readCells(segments, firstRow, chunk.rows, chunk.shown)].slice(from);
      const parts = [schemaMessage(resultFields(heads)), resultBatch(heads, cells), END_OF_STREAM];
      const found = arrowRows(join(parts));
      const expected = [...readRows(segments, firstRow, chunk.rows, 'all')].slice(from);
      expect(found.map(({ row }) => Number(row))).toEqual(expected.map(({ row }) => row));
      expect(found.map(({ id }) => id)).toEqual(
        expected.map(({ id }) => (id === null || id === undefined ? null : String(id))),
      );
      expect(found.map(({ error_code }) => error_code)).toEqual(
        expected.map(({ error }) => error?.code ?? null),
      );
      expect(found.map((row) => row.error_message)).toEqual(
        expected.map(({ error }) => error?.message ?? null),
      );
      for (const head of heads) {
        const { name, type } = head;
        // A number that no class has is its digits.
        const isText = outputType(head).kind === 'utf8';
        const column = name === 'row' ? 'output.row' : name;
        const values = expected.map(({ prediction }) => {
          const value = JSON.parse(prediction ?? '{}')[name] ?? null;
          return isText && typeof value === 'number' ? String(value) : comparable(value, type);
        });
        expect(found.map((row) => comparable(row[column], type))).toEqual(values);
      }
    }),
    { numRuns: 150 },
  );
});

it('a vector of classes has their names beside it, and a task that came to nothing one row that says why', () => {
  const head = { name: 'p', type: 'float32', shape: [2], classes: CLASSES } as const;
  const heads = [{ ...head, shape: [2], classes: CLASSES }];
  const error = { code: 'upload_aborted', message: 'the client went away' };
  const stream = join([schemaMessage(resultFields(heads)), taskErrorBatch(heads, error), END_OF_STREAM]);
  expect(tableFromIPC(stream).schema.fields[2]?.metadata.get('classes')).toBe(JSON.stringify(CLASSES));
  expect(arrowRows(stream)).toEqual([
    { row: null, id: null, p: null, error_code: error.code, error_message: error.message },
  ]);
});
