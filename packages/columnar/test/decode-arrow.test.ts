import type { DecodedChunk } from '@millrace/batch/rows/chunk-rows';
import { decodeChunk } from '@millrace/batch/rows/decode-chunk';
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
    spread: fc.boolean(),
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
/** Mostly what fits: a row with one fault says the most. */
const mostly = <T, U>(fits: fc.Arbitrary<T>, other: fc.Arbitrary<U>) =>
  fc.oneof({ weight: 12, arbitrary: fits }, { weight: 1, arbitrary: other });
const anyFloat = fc.float({ noNaN: true, noDefaultInfinity: true });
const anyNumbers = fc.record({
  bounded: mostly(fc.constantFrom(-1, 0.5, 1), fc.constantFrom(-1.5, 1.5, null)),
  whole: mostly(fc.nat(9), fc.constantFrom(-1, 2 ** 24 + 1, null)),
  unknown: orNone(anyFloat),
  flag: mostly(fc.boolean(), fc.constant(null)),
  rank: mostly(fc.constantFrom(1, 2, 5), fc.constantFrom(0, 3, null)),
  colour: mostly(fc.constantFrom('red', 'green'), fc.constantFrom('greem', '', null)),
  pair: mostly(
    fc.tuple(fc.nat(9), anyFloat.map(Math.abs)),
    fc.constantFrom([1], [1, 2, 3], [-1, 2], [1, null], null),
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
