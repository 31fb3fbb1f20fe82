/** Threads that unpack Parquet bodies: as many at once as may be, and room again when they have ended. */
import { ParquetUnpacker } from '@millrace/parquet/parquet-unpacker';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { afterEach, expect, it, vi } from 'vitest';
import { ParquetBodies } from '../dist/submit/parquet-bodies.js';

const FILE = Buffer.from(parquetWriteBuffer({ columnData: [{ name: 'a', data: [1, 2, 3] }] }));
const THREADS_MAX = 4;

afterEach(() => vi.unstubAllGlobals());

async function unpack(bodies: ParquetBodies): Promise<number> {
  let pieces = 0;
  for await (const _ of bodies.unpack(FILE)) pieces++;
  return pieces;
}

it('a thread that cannot be started takes the place of none', async () => {
  const bodies = new ParquetBodies(1e6);
  // As where a process may have no more threads: their start fails before there is anything to end.
  vi.stubGlobal('URL', () => {
    throw new Error('no thread');
  });
  for (let time = 0; time < THREADS_MAX; time++) await expect(unpack(bodies)).rejects.toThrow();
  vi.unstubAllGlobals();
  expect(await unpack(bodies)).toBe(1);
});

it('a thread takes a place until it has ended', async () => {
  const bodies = new ParquetBodies(1e6);
  let endNow = () => {};
  const mayEnd = new Promise<void>((resolve) => {
    endNow = resolve;
  });
  const isEnding = new Promise<void>((resolve) => {
    const end = vi.spyOn(ParquetUnpacker.prototype, 'end').mockImplementationOnce(async function (
      this: ParquetUnpacker,
    ) {
      end.mockRestore();
      resolve();
      await mayEnd;
      await this.end();
    });
  });
  const open = Array.from({ length: THREADS_MAX }, () => bodies.unpack(FILE));
  for (const each of open) await each.next();
  await expect(unpack(bodies)).rejects.toMatchObject({ code: 'overloaded' });
  const [first, ...others] = open;
  const left = first?.return(undefined);
  await isEnding;
  await expect(unpack(bodies)).rejects.toMatchObject({ code: 'overloaded' });
  endNow();
  await left;
  expect(await unpack(bodies)).toBe(1);
  for (const each of others) await each.return(undefined);
});
