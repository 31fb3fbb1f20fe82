/** Streams that are well-formed and say of their columns what is not so. */
import type { Manifest } from '@millrace/batch/manifest/manifest';
import { type PlainColumn, valueAt } from '@millrace/columnar/column';
import {
  batchMessage,
  END_OF_STREAM,
  join,
  type NamedType,
  schemaMessage,
} from '@millrace/columnar/ipc/writer';
import { ArrowSplitter } from '@millrace/columnar/rows/arrow-splitter';
import { readChunk } from '@millrace/columnar/rows/stored-chunk';
import { expect, it } from 'vitest';
import { manifestOf, tensorOf } from '../../batch/test/manifest-of.js';
import { rawBatch, rawDictionary, rawSchema, TYPES } from './raw-stream.js';

const NUMBER: NamedType = { name: 'a', type: { kind: 'number', type: 'float32' } };
const TEXT: NamedType = { name: 'a', type: { kind: 'utf8' } };
const NULLS: NamedType = { name: 'a', type: { kind: 'list', item: { kind: 'null' } } };
const LIST: NamedType = { name: 'a', type: { kind: 'list', item: NUMBER.type } };
const NUMBERS = manifestOf('a');
const TEXTS = tensorOf('string', { name: 'a', type: 'string' });
const VECTORS = manifestOf({ name: 'a', type: 'vector', length: 2 });
const BOUNDS = { maxRows: 10, maxBytes: 1e6, maxRowBytes: 1e6, maxBatchBytes: 1e6 };

const numbers = (length: number, held = length): PlainColumn => ({
  kind: 'number',
  length,
  type: 'float32',
  values: new Float32Array(held),
});
const text = (...offsets: number[]): PlainColumn => ({
  kind: 'utf8',
  length: offsets.length - 1,
  offsets: Int32Array.from(offsets),
  bytes: new Uint8Array(8),
});
const list = (items: number, ...offsets: number[]): PlainColumn => ({
  kind: 'list',
  length: offsets.length - 1,
  offsets: Int32Array.from(offsets),
  items: numbers(items),
});
const nulls = (items: number): PlainColumn => ({
  kind: 'list',
  length: 1,
  offsets: Int32Array.of(0, items),
  items: { kind: 'null', length: items },
});
const schema = schemaMessage([NUMBER]);
const batch = (column: PlainColumn, rows = column.length) => batchMessage([column], rows);
const stream = (field: NamedType, column: PlainColumn, rows?: number) =>
  join([schemaMessage([field]), ...batch(column, rows), END_OF_STREAM]);

const dictionary = { id: 7, indexBits: 64 };
const coded = rawSchema([{ name: 'a', type: TYPES.utf8, dictionary }]);
const NONE = new Uint8Array(0);
const bytesOf = ({ buffer }: { buffer: ArrayBuffer }) => new Uint8Array(buffer);
/** The values of the dictionary: "a" and "b". */
const values = {
  rows: 2,
  nodes: [[2, 0] as const],
  buffers: [NONE, bytesOf(Int32Array.of(0, 1, 2)), Uint8Array.of(97, 98)],
};
const pointing = (index: bigint) =>
  rawBatch({ rows: 1, nodes: [[1, 0]], buffers: [NONE, bytesOf(BigInt64Array.of(index))] });
const pointed = (index: bigint) => join([coded, rawDictionary(7, values), pointing(index), END_OF_STREAM]);
const overlong = rawBatch({ rows: 1, nodes: [[1, 0]], buffers: [NONE, new Uint8Array(4)], lastEnd: 8 });

/** In bytes that stand for a thousand fields, there is one. */
const repeated = rawSchema([{ name: 'a', type: TYPES.utf8 }], 1_000);

const LIES: [string, Manifest, Uint8Array][] = [
  ['has fewer values than rows', NUMBERS, stream(NUMBER, numbers(9, 3))],
  ['has fewer values than rows', NUMBERS, stream(NUMBER, { ...numbers(20), valid: Uint8Array.of(1) })],
  ['has columns of different lengths', NUMBERS, stream(NUMBER, numbers(3), 4)],
  ['has more rows than bytes for them', NUMBERS, stream(NUMBER, { kind: 'null', length: 1e9 })],
  ['has more rows than bytes for them', VECTORS, stream(NULLS, nulls(1e6))],
  ['the metadata of a message is broken', TEXTS, join([repeated, END_OF_STREAM])],
  ['points to values that its dictionary does not have', TEXTS, pointed(2n)],
  ['points to values that its dictionary does not have', TEXTS, pointed(-1n)],
  ['points to values that its dictionary does not have', TEXTS, pointed(2n ** 32n + 1n)],
  ['comes before the dictionary of one of its columns', TEXTS, join([coded, pointing(1n)])],
  ['has a delta dictionary, which is not read', TEXTS, join([coded, rawDictionary(7, values, true)])],
  ['has a dictionary that no column points into', TEXTS, join([coded, rawDictionary(8, values)])],
  ['has buffers beyond its end', NUMBERS, join([schema, overlong, END_OF_STREAM])],
  ['has texts beyond their buffer', TEXTS, stream(TEXT, text(0, 4, 9))],
  ['has offsets that do not ascend', TEXTS, stream(TEXT, text(0, 6, 4))],
  ['has offsets that do not ascend', TEXTS, stream(TEXT, text(-1, 6, 8))],
  ['has lists beyond their items', VECTORS, stream(LIST, list(3, 0, 2, 4))],
  ['lacks columns of its schema', NUMBERS, join([schema, ...batchMessage([], 0), END_OF_STREAM])],
  ['it has two schemas', NUMBERS, join([schema, schema, END_OF_STREAM])],
  ['it does not begin with a schema', NUMBERS, join([...batch(numbers(1)), END_OF_STREAM])],
  ['there are bytes behind its end', NUMBERS, join([schema, END_OF_STREAM, Uint8Array.of(0)])],
  ['its end-of-stream marker is missing', NUMBERS, join([schema, ...batch(numbers(1))])],
];

it.each(LIES)('a stream that %s is refused', (message, manifest, bytes) => {
  const splitter = new ArrowSplitter({ manifest, ...BOUNDS });
  const split = () => [...splitter.push(bytes), ...splitter.end()];
  expect(split).toThrow(
    expect.objectContaining({ code: 'malformed_body', message: expect.stringContaining(message) }),
  );
});

it('the last value of a dictionary is one of its values', () => {
  const splitter = new ArrowSplitter({ manifest: TEXTS, ...BOUNDS });
  const [chunk] = [...splitter.push(pointed(1n)), ...splitter.end()];
  expect(valueAt(readChunk(chunk?.bytes as Uint8Array).columns[0] as PlainColumn, 0, true)).toBe('b');
});

it('a chunk may have more nulls in lists than bytes, as it is made of many batches', () => {
  const splitter = new ArrowSplitter({ manifest: VECTORS, ...BOUNDS });
  const batches = Array.from({ length: 3 }, () => batch(nulls(60_000))).flat();
  const chunks = [
    ...splitter.push(join([schemaMessage([NULLS]), ...batches, END_OF_STREAM])),
    ...splitter.end(),
  ];
  expect(chunks.map(({ bytes }) => readChunk(bytes).rows)).toEqual([3]);
});

it('a row that is too long is refused by its number', () => {
  const splitter = new ArrowSplitter({ manifest: TEXTS, ...BOUNDS, maxBytes: 10, maxRowBytes: 11 });
  const split = () => [...splitter.push(stream(TEXT, text(0, 1, 7, 8))), ...splitter.end()];
  expect(split().map(({ rows }) => rows)).toEqual([1, 1, 1]);
  const refused = new ArrowSplitter({ manifest: TEXTS, ...BOUNDS, maxBytes: 9, maxRowBytes: 9 });
  expect(() => [...refused.push(stream(TEXT, text(0, 1, 7, 8)))]).toThrow(
    expect.objectContaining({
      message: 'row 1 is longer than 9 bytes',
      details: { row: 1, limit_bytes: 9 },
    }),
  );
});
