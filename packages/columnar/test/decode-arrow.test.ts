import { type DecodedChunk, decodeChunk } from '@millrace/batch/rows/decode-chunk';
import { RowReader } from '@millrace/batch/rows/row-reader';
import { ArrowSplitter } from '@millrace/columnar/rows/arrow-splitter';
import { decodeStored } from '@millrace/columnar/rows/decode-stored';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { anyCase, manifestOfModel } from '../../batch/test/any-model.js';
import { utf8 } from '../../batch/test/byte-pieces.js';
import { manifestOf, tensorOf } from '../../batch/test/manifest-of.js';
import { rowShape, valuesOf } from '../../batch/test/row-values.js';
import { arrowStream, type Row } from './arrow-stream.js';

const BOUNDS = { maxBytes: 1024 * 1024, maxRowBytes: 1024 * 1024, maxBatchBytes: 1024 * 1024 };

type Manifest = ReturnType<typeof manifestOfModel>;

/** What a worker makes of the chunks of a stream that arrives in pieces. */
function decodeStream(manifest: Manifest, stream: Uint8Array, maxRows: number, pieceBytes: number) {
  const splitter = new ArrowSplitter({ manifest, ...BOUNDS, maxRows });
  const reader = new RowReader(manifest);
  const chunks = [];
  for (let at = 0; at < stream.length; at += pieceBytes) {
    chunks.push(...splitter.push(stream.subarray(at, at + pieceBytes)));
  }
  chunks.push(...splitter.end());
  return chunks.map((chunk) => decodeStored({ ...chunk, format: 'arrow' }, reader, manifest));
}

/** What each valid row holds in all inputs, by its row in the task. */
function heldRows(chunks: readonly DecodedChunk[]): unknown[] {
  const held: unknown[] = [];
  let firstRow = 0;
  for (const { inputs, valid, rows } of chunks) {
    valid.forEach((place, at) => {
      held[firstRow + place] = inputs.map((input) => ({
        shape: rowShape(input, at),
        values: valuesOf(input, at).map((value) => (typeof value === 'number' ? value + 0 : value)),
      }));
    });
    firstRow += rows;
  }
  return held;
}

function same(
  manifest: Manifest,
  rows: readonly Row[],
  stream: Uint8Array,
  maxRows: number,
  pieceBytes: number,
) {
  const text = rows.map((row) => JSON.stringify(row)).join('\n');
  const expected = decodeChunk(
    { format: 'ndjson', bytes: utf8(text), firstRow: 0, rows: rows.length },
    new RowReader(manifest),
  );
  const found = decodeStream(manifest, stream, maxRows, pieceBytes);
  expect(found.flatMap(({ errors }) => errors)).toEqual(expected.errors);
  expect(heldRows(found)).toEqual(heldRows([expected]));
  const ids = found.flatMap(({ ids, rows: count }) => Array.from({ length: count }, (_, at) => ids?.[at]));
  expect(ids).toEqual(Array.from(rows, (_, at) => expected.ids?.[at]));
}

const anyCut = {
  choices: fc.record({
    dictionaries: fc.boolean(),
    fixedLists: fc.boolean(),
    batchRows: fc.integer({ min: 1, max: 3 }),
  }),
  maxRows: fc.integer({ min: 1, max: 4 }),
  pieceBytes: fc.constantFrom(7, 64, 100_000),
};

it('rows as Arrow give the inputs that they give as NDJSON, of any model, however they are cut', () => {
  fc.assert(
    fc.property(anyCase, fc.record(anyCut), ({ model, rows }, { choices, maxRows, pieceBytes }) => {
      const manifest = manifestOfModel(model);
      const names = model.flatMap((input) => input.features.map(({ name }) => name));
      const json = rows.map(({ values }): Row => {
        const members = names.map((name, at) => `${JSON.stringify(name)}:${values[at]?.text}`);
        return JSON.parse(`{${members.join(',')}}`);
      });
      same(manifest, json, arrowStream(manifest, json, choices), maxRows, pieceBytes);
    }),
    { numRuns: 100 },
  );
});

const NUMBERS = manifestOf(
  { name: 'bounded', type: 'float', min: -1, max: 1 },
  { name: 'whole', type: 'int', min: 0, default: 7 },
  { name: 'unknown', type: 'float', default: 'NaN' },
  { name: 'flag', type: 'bool' },
  { name: 'rank', type: 'category', values: [1, 2, 5] },
  { name: 'colour', type: 'category', values: ['red', 'green'], default: 'red' },
  { name: 'pair', type: 'vector', length: 2, min: 0 },
);
const TEXTS = tensorOf(
  'string',
  { name: 'title', type: 'string', max_length: 3 },
  { name: 'tag', type: 'string', default: 'none' },
);

/** A member that a row may lack; null stands for its absence. */
const orNone = <T>(values: fc.Arbitrary<T>) => fc.option(values, { freq: 8 });
const id = orNone(fc.string({ maxLength: 300, size: 'max' }));
const anyNumbers = fc.record({
  bounded: orNone(fc.float({ noNaN: true, noDefaultInfinity: true, min: -2, max: 2 })),
  whole: orNone(fc.integer({ min: -3, max: 2 ** 25 })),
  unknown: orNone(fc.float({ noNaN: true, noDefaultInfinity: true })),
  flag: orNone(fc.boolean()),
  rank: orNone(fc.integer({ min: 0, max: 5 })),
  colour: orNone(fc.constantFrom('red', 'green', 'greem', '')),
  pair: orNone(
    fc.array(fc.option(fc.integer({ min: -1, max: 9 }), { freq: 9 }), { minLength: 1, maxLength: 3 }),
  ),
  id,
});
const anyTexts = fc.record({
  title: orNone(fc.constantFrom('', 'abc', 'abcd', 'a\0', 'é😀')),
  tag: orNone(fc.string()),
  id,
});

function withoutNulls(row: Row): Row {
  return Object.fromEntries(Object.entries(row).filter(([, value]) => value !== null));
}

it.each([
  ['numbers', NUMBERS, anyNumbers],
  ['texts', TEXTS, anyTexts],
] as const)('bad rows of %s have the errors that they have as NDJSON', (_, manifest, anyRow) => {
  fc.assert(
    fc.property(
      fc.array(anyRow as fc.Arbitrary<Row>, { minLength: 1, maxLength: 8 }),
      fc.record(anyCut),
      (rows, { choices, maxRows, pieceBytes }) => {
        const given = rows.map(withoutNulls);
        // A list of a wrong length cannot be in a column of lists of a fixed one.
        const stream = arrowStream(manifest, given, { ...choices, fixedLists: false });
        same(manifest, given, stream, maxRows, pieceBytes);
      },
    ),
    { numRuns: 100 },
  );
});
