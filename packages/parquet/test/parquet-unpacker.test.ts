/** The thread that unpacks Parquet, seen from the one that started it. */
import { once } from 'node:events';
import type { Worker } from 'node:worker_threads';
import { readChunk } from '@millrace/columnar/rows/stored-chunk';
import { ParquetUnpacker } from '@millrace/parquet/parquet-unpacker';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { rangesOf } from './ranges.js';

/** Two pieces and a bit, in one row group. */
const ROWS = 140_000;
const FILE = parquetWriteBuffer({
  columnData: [{ name: 'a', data: Int32Array.from({ length: ROWS }, (_, row) => row) }],
  rowGroupSize: ROWS,
});
let unpacker: ParquetUnpacker;
beforeEach(() => {
  unpacker = new ParquetUnpacker(30_000);
});
afterEach(() => unpacker.end());

it('unpacks the next piece while the one before is used', async () => {
  const { worker } = unpacker as unknown as { worker: Worker };
  const pieces = unpacker.unpack(rangesOf(FILE), 'arrow');
  const rows = [rowsOf((await pieces.next()).value)];
  // Nobody has asked for it yet.
  expect(await once(worker, 'message')).toMatchObject([{ kind: 'piece' }]);
  for await (const piece of pieces) rows.push(rowsOf(piece));
  expect(rows).toEqual([65_536, 65_536, ROWS - 2 * 65_536]);
});

function rowsOf(piece: Uint8Array | undefined): number {
  return readChunk(piece as Uint8Array).rows;
}

it('reads one file after the other', async () => {
  for (let time = 0; time < 2; time++) {
    let rows = 0;
    for await (const piece of unpacker.unpack(rangesOf(FILE), 'arrow')) rows += rowsOf(piece);
    expect(rows).toBe(ROWS);
  }
});
