/** Frames as pandas, polars and pyarrow write them; `files/make.py` has written these. */
import { BatchError } from '@millrace/batch/errors';
import type { DecodedChunk } from '@millrace/batch/rows/chunk-rows';
import { RowReader } from '@millrace/batch/rows/row-reader';
import type { Splitter } from '@millrace/batch/split/chunk-splitter';
import { ArrowSplitter } from '@millrace/columnar/rows/arrow-splitter';
import { decodeStored } from '@millrace/columnar/rows/decode-stored';
import { pickRows } from '@millrace/columnar/rows/stored-chunk';
import { StoredSplitter } from '@millrace/columnar/rows/stored-splitter';
import { ParquetUnpacker } from '@millrace/parquet/parquet-unpacker';
import { afterAll, describe, expect, it } from 'vitest';
import { valuesOf } from '../../batch/test/row-values.js';
import { fileNamed, MANIFEST } from './frames.js';

const BOUNDS = { maxRows: 4, maxBytes: 1e6, maxRowBytes: 1e6 };
const unpacker = new ParquetUnpacker(30_000);
afterAll(() => unpacker.end());

const decode = (chunk: { bytes: Uint8Array; firstRow: number; rows: number }) =>
  decodeStored({ ...chunk, format: 'arrow' }, new RowReader(MANIFEST), MANIFEST);

function chunksOf(splitter: Splitter, pieces: readonly Uint8Array[]) {
  return [...pieces.flatMap((piece) => [...splitter.push(piece)]), ...splitter.end()];
}

const readArrow = (name: string) =>
  chunksOf(new ArrowSplitter({ manifest: MANIFEST, ...BOUNDS, maxBatchBytes: 1e6 }), [fileNamed(name)]);

async function readParquet(name: string) {
  const file = fileNamed(name);
  const slice = async (start: number, end = file.length) => Uint8Array.from(file.subarray(start, end)).buffer;
  const pieces: Uint8Array[] = [];
  for await (const piece of unpacker.unpack({ byteLength: file.length, slice }, 'arrow')) pieces.push(piece);
  return chunksOf(new StoredSplitter(BOUNDS), pieces);
}

const predicted = ({ inputs, valid }: DecodedChunk) =>
  Array.from(valid, (_, at) => inputs.flatMap((input) => valuesOf(input, at)));

/** A float16 has 1.5 and 2, too. */
const HELD = [
  [1.5, 1, 0, 0, 1, 2],
  [2, 2, 1, 1, 3, 4],
];
const ERRORS = [
  { row: 2, id: 12, code: 'missing_feature', message: 'a: is missing; pair: expected 2 values, got 1' },
  { row: 3, id: 13, code: 'missing_feature', message: 'colour: is missing; pair: is missing' },
  {
    row: 4,
    id: '9007199254740993',
    code: 'out_of_range',
    message:
      'n: 70000000000 is outside -16777216 to 16777216; kind: "longer than twelve bytes" is not one of its 2 values: x, y',
  },
];

describe.each([
  ['pandas.arrows', readArrow],
  ['large.arrows', readArrow],
  ['polars.arrows', readArrow],
  ['pandas.parquet', readParquet],
  ['polars.parquet', readParquet],
] as const)('%s', (name, read) => {
  it('has the rows of its frame, and an error for each that is not right', async () => {
    const decoded = (await read(name)).map(decode);
    expect(decoded.map(({ rows }) => rows)).toEqual([4, 1]);
    expect(decoded.flatMap(predicted)).toEqual(HELD);
    expect(decoded.flatMap(({ errors }) => errors)).toEqual(ERRORS);
    expect(decoded.flatMap(({ ids }) => ids)).toEqual([10, 11, 12, 13, '9007199254740993']);
  });

  it('has rows that can be picked', async () => {
    const [first] = await read(name);
    const bytes = pickRows(first?.bytes as Uint8Array, [1, 3]);
    const picked = decode({ bytes, firstRow: 0, rows: 2 });
    expect(predicted(picked)).toEqual([HELD[1]]);
    expect(picked.errors).toEqual([{ ...ERRORS[1], row: 1 }]);
  });
});

it.each([
  ['zstd.arrows', 'unsupported_encoding', 'compressed with ZSTD'],
  ['lz4.arrows', 'unsupported_encoding', 'compressed with LZ4'],
  [
    'time.arrows',
    'wrong_column_type',
    'the column "a" is of the Arrow type timestamp; wanted is an integer or a float',
  ],
  ['file.arrow', 'malformed_body', 'it is an Arrow file; write the stream format'],
  ['pandas.parquet', 'malformed_body', 'a message does not begin with its marker'],
])('%s is refused by name', (name, code, message) => {
  const refusal = expect.objectContaining({ code, message: expect.stringContaining(message) });
  expect(() => readArrow(name)).toThrow(BatchError);
  expect(() => readArrow(name)).toThrow(refusal);
});
