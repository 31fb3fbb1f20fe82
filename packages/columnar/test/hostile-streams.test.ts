/** Streams that are broken somewhere: each is read, or refused by name; none throws anything else, or takes long. */
import { BatchError } from '@millrace/batch/errors';
import { RowReader } from '@millrace/batch/rows/row-reader';
import type { Chunk } from '@millrace/batch/split/chunk-splitter';
import { ArrowSplitter } from '@millrace/columnar/rows/arrow-splitter';
import { decodeStored } from '@millrace/columnar/rows/decode-stored';
import { expect, it } from 'vitest';
import { arrowStream } from './arrow-stream.js';
import { fileNamed, MANIFEST } from './frames.js';

const ROWS = [
  { id: 'r0', a: 1, n: 2, colour: 'red', kind: 'x', pair: [1, 2] },
  { id: 'r1', a: 2, colour: 'green', kind: 'y', pair: [3, 4] },
  { a: 3, n: 4, colour: 'red', kind: 'x', pair: [5, 6] },
];
const OPTIONS = { manifest: MANIFEST, maxRows: 2, maxBytes: 1e6, maxRowBytes: 1e6, maxBatchBytes: 1e6 };
const STREAMS = [
  ...[false, true].map((chosen) =>
    arrowStream(MANIFEST, ROWS, { dictionaries: chosen, fixedLists: chosen, spread: chosen, batchRows: 2 }),
  ),
  // Views of texts, and large lists.
  ...['polars.arrows', 'large.arrows'].map((name) => new Uint8Array(fileNamed(name))),
];
const CODES = new Set([
  'duplicate_column',
  'malformed_body',
  'missing_column',
  'record_batch_too_large',
  'row_too_large',
  'unknown_column',
  'unsupported_encoding',
  'wrong_column_type',
]);
/** So many rows at most are read out of a stream of a few hundred bytes. */
const ROWS_MAX = 70_000;

/** The code with which it is refused; undefined when it is read. */
function outcomeOf(stream: Uint8Array): string | undefined {
  const splitter = new ArrowSplitter(OPTIONS);
  const reader = new RowReader(MANIFEST);
  let rows = 0;
  const take = (chunks: Iterable<Chunk>) => {
    for (const chunk of chunks) {
      rows += chunk.rows;
      if (rows <= 10) decodeStored({ ...chunk, format: 'arrow' }, reader, MANIFEST);
    }
  };
  try {
    take(splitter.push(stream));
    take(splitter.end());
  } catch (error) {
    if (error instanceof BatchError) return error.code;
    throw error;
  }
  if (rows > ROWS_MAX) throw new Error(`${rows} rows were read`);
  return undefined;
}

it('a stream that ends too early is refused, wherever it ends', () => {
  for (const stream of STREAMS) {
    expect(outcomeOf(stream)).toBeUndefined();
    const outcomes = Array.from(stream, (_, end) => outcomeOf(stream.subarray(0, end)));
    expect(new Set(outcomes)).toEqual(new Set(['malformed_body']));
  }
});

it('a stream with a wrong byte is read or refused by name, wherever the byte is', () => {
  const refused = new Set<string>();
  for (const stream of STREAMS) {
    for (let at = 0; at < stream.length; at++) {
      for (const wrong of [0x7f, 0xff]) {
        const broken = Uint8Array.from(stream);
        broken[at] = wrong;
        const code = outcomeOf(broken);
        if (code !== undefined) refused.add(code);
      }
    }
  }
  expect([...refused].filter((code) => !CODES.has(code))).toEqual([]);
  expect([...refused]).toEqual(
    expect.arrayContaining([
      'malformed_body',
      'record_batch_too_large',
      'unknown_column',
      'wrong_column_type',
    ]),
  );
});
