/** Parquet files, column by column. */
import { syncBuiltinESMExports } from 'node:module';
import zlib from 'node:zlib';
import { openParquet } from '@millrace/parquet/parquet-file';
import { expect, it, onTestFinished, vi } from 'vitest';
import { listFile } from './list-file.js';
import { rangesOf } from './ranges.js';

it('lists are unpacked once for a row group, in however many parts its rows are wanted', async () => {
  const unpacked = vi.spyOn(zlib, 'gunzipSync');
  syncBuiltinESMExports();
  onTestFinished(() => {
    unpacked.mockRestore();
    syncBuiltinESMExports();
  });
  const lists = Array.from({ length: 100 }, (_, row) => Array.from({ length: 10 }, (__, at) => row + at));
  const gzip = { codec: 'GZIP', compressors: { GZIP: (bytes: Uint8Array) => zlib.gzipSync(bytes) } } as const;
  const buffer = listFile(lists, 'INT32', gzip);
  const pagesUnpacked = async (valuesMax: number) => {
    unpacked.mockClear();
    const parquet = await openParquet(rangesOf(buffer), valuesMax);
    const found: unknown[] = [];
    for await (const { values } of parquet.parts()) found.push(...Array.from(values[0] ?? []));
    expect(found).toEqual(lists);
    return unpacked.mock.calls.length;
  };
  const pages = await pagesUnpacked(1_000);
  expect(pages).toBeGreaterThan(0);
  expect(await pagesUnpacked(1)).toBe(pages);
});
