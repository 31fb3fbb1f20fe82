/** Parquet as Arrow streams. */
import { readChunk } from '@millrace/columnar/rows/stored-chunk';
import { arrowOf } from '@millrace/parquet/parquet-arrow';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { describe, expect, it } from 'vitest';
import { arrowRows as rowsOf } from '../../columnar/test/arrow-rows.js';
import { listFile } from './list-file.js';
import { rangesOf } from './ranges.js';

const KIB = 1024;

describe('texts of Parquet as Arrow', () => {
  it('come in pieces of some megabytes, though a few bytes stand for all of them', async () => {
    const data = new Array(33_000).fill('x'.repeat(64 * KIB));
    const buffer = parquetWriteBuffer({
      columnData: [{ name: 'text', data, type: 'STRING' }],
      rowGroupSize: data.length,
      pageSize: 1024 * KIB,
    });
    expect(buffer.byteLength).toBeLessThan(16 * KIB);
    let pieces = 0;
    for await (const piece of arrowOf(rangesOf(buffer))) {
      expect(piece.length).toBeLessThan(5 * KIB * KIB);
      expect(readChunk(piece).rows).toBe(63);
      // All of them are two gigabytes.
      if (++pieces === 3) break;
    }
    expect(pieces).toBe(3);
  });

  it('are those of their rows', async () => {
    const { buffer } = new Uint8Array(
      parquetWriteBuffer({
        columnData: [
          { name: 'text', data: ['a', null, 'é', 'a'], type: 'STRING' },
          { name: 'raw', data: ['', 'b', null, 'c'], type: 'STRING', encoding: 'PLAIN' },
        ],
      }),
    );
    const texts: unknown[] = [];
    for await (const piece of arrowOf(rangesOf(buffer))) texts.push(...rowsOf(piece));
    expect(texts).toEqual([
      { text: 'a', raw: '' },
      { text: null, raw: 'b' },
      { text: 'é', raw: null },
      { text: 'a', raw: 'c' },
    ]);
  });
});

describe('lists of Parquet as Arrow', () => {
  it('are those of their rows', async () => {
    const lists = [['a', null, 'é'], [], ['a']];
    const found: unknown[] = [];
    for await (const piece of arrowOf(rangesOf(listFile(lists, 'BYTE_ARRAY')))) found.push(...rowsOf(piece));
    expect(found).toEqual(lists.map((list) => ({ list })));
  });

  it('of one row that are too long are refused by the number of the row', async () => {
    const texts = new Array(33_000).fill('x'.repeat(64 * KIB));
    const buffer = listFile([['short'], texts], 'BYTE_ARRAY');
    const read = async () => {
      for await (const piece of arrowOf(rangesOf(buffer))) expect(readChunk(piece).rows).toBe(1);
    };
    await expect(read()).rejects.toThrow('row 1 is longer than');
  });
});
