/** How much memory a stream takes, of which the reader may be refused. */
import { END_OF_STREAM, join } from '@millrace/columnar/ipc/writer';
import { ArrowSplitter } from '@millrace/columnar/rows/arrow-splitter';
import { beforeEach, describe, expect, it } from 'vitest';
import { utf8 } from '../../batch/test/byte-pieces.js';
import { tensorOf } from '../../batch/test/manifest-of.js';
import { type RawBatch, rawBatch, rawDictionary, rawSchema, TYPES } from './raw-stream.js';

const MIB = 1024 * 1024;
const MANIFEST = tensorOf('string', { name: 't', type: 'string' });
const OPTIONS = { manifest: MANIFEST, maxRows: 10, maxBytes: 1e6, maxRowBytes: 1e6, maxBatchBytes: 64 * MIB };
const NONE = new Uint8Array(0);
const TEXT = utf8('x'.repeat(5_000));
const schema = rawSchema([{ name: 't', type: TYPES.utf8 }]);
const oneText: RawBatch = { rows: 1, nodes: [[1, 0]], buffers: [NONE, offsets(TEXT.length), TEXT] };
const textBatch = rawBatch(oneText);
const textDictionary = (id: number) => rawDictionary(id, oneText);

/** What was held, whenever that changed. */
let held: number[];
let splitter: ArrowSplitter;
beforeEach(() => {
  held = [];
  splitter = new ArrowSplitter({ ...OPTIONS, hold: (bytes) => void held.push(bytes) });
});

function offsets(end: number): Uint8Array {
  return new Uint8Array(Int32Array.of(0, end).buffer);
}

describe('the memory of a stream', () => {
  it('is what has come of a body, and not what was announced', () => {
    const cut = textBatch.subarray(0, -4_000);
    expect([...splitter.push(join([schema, cut]))]).toEqual([]);
    expect(held.at(-1)).toBeGreaterThanOrEqual(1_000);
    expect(Math.max(...held)).toBeLessThan(2_000);
    expect([...splitter.push(join([textBatch.subarray(-4_000), END_OF_STREAM]))]).toHaveLength(0);
    expect(Math.max(...held)).toBeGreaterThanOrEqual(5_000);
    expect(held.at(-1)).toBe(0);
  });

  it('has the metadata that has come', () => {
    const many = rawSchema(Array.from({ length: 100 }, (_, at) => ({ name: `t${at}`, type: TYPES.utf8 })));
    expect([...splitter.push(many.subarray(0, 3_000))]).toEqual([]);
    expect(held.at(-1)).toBe(2_992);
  });

  it('has dictionaries for as long as columns may point into them', () => {
    const dictionary = { id: 7, indexBits: 32 };
    const indices = new Uint8Array(Int32Array.of(0).buffer);
    const stream = join([
      rawSchema([{ name: 't', type: TYPES.utf8, dictionary }]),
      textDictionary(7),
      rawBatch({ rows: 1, nodes: [[1, 0]], buffers: [NONE, indices] }),
    ]);
    expect([...splitter.push(stream)]).toEqual([]);
    expect(held.at(-1)).toBe(TEXT.length + 8);
    const after = held.slice(held.findIndex((bytes) => bytes >= TEXT.length));
    expect(Math.min(...after)).toBeGreaterThanOrEqual(TEXT.length);
  });
});

describe('what is too large is refused with its own way out', () => {
  const refusal = (limit: number, hint: string) =>
    expect.objectContaining({
      code: 'record_batch_too_large',
      message: expect.stringContaining(hint),
      details: { limit_bytes: limit },
    });
  const announced = (bytes: number) => new Uint8Array(Int32Array.of(-1, bytes).buffer);

  it('metadata', () => {
    expect(() => [...splitter.push(announced(4 * MIB + 8))]).toThrow(refusal(4 * MIB, 'fewer columns'));
  });

  it('a record batch', () => {
    const small = new ArrowSplitter({ ...OPTIONS, maxBatchBytes: 4_000 });
    expect(() => [...small.push(join([schema, textBatch]))]).toThrow(refusal(4_000, 'max_chunksize'));
  });

  it.each([
    ['a dictionary', 4_000],
    ['dictionaries together', 8_000],
  ])('%s', (_, limit) => {
    const fields = ['t', 'u'].map((name, at) => ({
      name,
      type: TYPES.utf8,
      dictionary: { id: 7 + at, indexBits: 32 },
    }));
    const stream = join([rawSchema(fields), textDictionary(7), textDictionary(8)]);
    const manifest = tensorOf('string', { name: 't', type: 'string' }, { name: 'u', type: 'string' });
    const small = new ArrowSplitter({ ...OPTIONS, manifest, maxBatchBytes: limit });
    expect(() => [...small.push(stream)]).toThrow(refusal(limit, 'fewer categories'));
  });
});
