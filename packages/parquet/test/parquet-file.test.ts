/** Parquet files, column by column. */
import { openParquet } from '@millrace/parquet/parquet-file';
import { expect, it } from 'vitest';
import { listFile } from './list-file.js';
import { rangesOf } from './ranges.js';

it('lists are unpacked once for a row group, in however many parts its rows are wanted', async () => {
  const lists = Array.from({ length: 1_000 }, (_, row) => Array.from({ length: 100 }, (__, at) => row + at));
  const buffer = listFile(lists, 'INT32');
  const read = async (valuesMax: number) => {
    const startedAt = performance.now();
    const parquet = await openParquet(rangesOf(buffer), valuesMax);
    const found: unknown[] = [];
    for await (const { values } of parquet.parts()) found.push(...Array.from(values[0] ?? []));
    const ms = performance.now() - startedAt;
    expect(found).toEqual(lists);
    return ms;
  };
  // The first time is slower than those that come later.
  await read(1_000_000);
  const whole = await read(1_000_000);
  // Were all unpacked for each row, it would be a thousand times.
  expect((await read(1)) / whole).toBeLessThan(50);
});
