import { randomUUID } from 'node:crypto';
import { ColumnBuilder } from '@millrace/batch/results/column';
import { encodeChunk } from '@millrace/batch/results/encode-chunk';
import fc from 'fast-check';
import request from 'supertest';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { useRedis } from '../../../test/fixtures/redis.js';
import { type Harness, startHarness } from './harness.js';
import { downloadResult, firstRowOf, storeReceiving } from './tasks.js';

const redis = useRedis();
const keys = redis.freshKeys();
let harness: Harness;

beforeAll(async () => {
  harness = await startHarness(redis.url, keys);
});
afterAll(() => harness.stop());

/** A finished task with chunks of so many rows; those in `open` were never computed, since it was cancelled. */
async function finishedTask(sizes: readonly number[], open: readonly number[] = []): Promise<string> {
  const id = await storeReceiving(harness, sizes);
  for (const [index, rows] of sizes.entries()) {
    if (!open.includes(index)) await commit(id, index, firstRowOf(sizes, index), rows);
  }
  await harness.store.seal(id, sizes.length);
  await harness.store.end(id, 'cancelled');
  return id;
}

/** Every third row is bad, the others have an id in which line ends stand for more than a line. */
async function commit(id: string, index: number, firstRow: number, rows: number): Promise<void> {
  const places = Array.from({ length: rows }, (_, at) => at);
  const errors = places
    .filter((at) => (firstRow + at) % 3 === 0)
    .map((at) => ({ row: firstRow + at, code: 'wrong_type' as const, message: 'no\n"number"' }));
  const label = new ColumnBuilder({ name: 'label', type: 'int64', shape: [] }, rows);
  label.add(Uint32Array.from(places), BigInt64Array.from(places, BigInt), []);
  const ids = places.map((at) => `line\nof ${firstRow + at}`);
  const outcome = { firstRow, rows, ids, errors, columns: [label.finish()] };
  await harness.store.commit(id, index, encodeChunk({ ...outcome, shown: { primary: 'label' } }));
}

const NDJSON = 'application/x-ndjson';
const download = (id: string, accept: string, query?: string) => downloadResult(harness, id, accept, query);

describe('GET /batch-result/:id?from_row=', () => {
  it.each(['default', 'all'])(
    'goes on where a download of lines broke off, byte for byte (outputs=%s)',
    async (outputs) => {
      const sizes = fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 6 });
      await fc.assert(
        fc.asyncProperty(sizes, fc.array(fc.nat(5)), fc.nat(32), async (chunks, open, row) => {
          const id = await finishedTask(chunks, open);
          const whole = await download(id, NDJSON, `?outputs=${outputs}`);
          const lines = whole.split('\n');
          expect(lines.length - 1).toBe(chunks.reduce((sum, rows) => sum + rows, 0));
          const rest = await download(id, NDJSON, `?outputs=${outputs}&from_row=${row}`);
          expect(rest).toBe(lines.slice(row).join('\n'));
        }),
        { numRuns: 40 },
      );
    },
  );

  it('has the header of CSV first', async () => {
    const id = await finishedTask([3, 1, 2]);
    const records = (await download(id, 'text/csv')).split('\r\n');
    expect(await download(id, 'text/csv', '?from_row=4')).toBe(
      [records[0], ...records.slice(5)].join('\r\n'),
    );
    expect(await download(id, 'text/csv', '?from_row=6')).toBe(`${records[0]}\r\n`);
  });

  it('reads no result before that row', async () => {
    const id = await finishedTask([3, 1, 2]);
    await redis.redis.del(keys.output(id, 0), keys.output(id, 1));
    expect(await download(id, NDJSON, '?from_row=5')).toMatch(/^\{"row":5,.*\}\n$/);
  });

  it('is the status of a task that is unfinished', async () => {
    const id = await storeReceiving(harness, []);
    const answer = request(harness.app).get(`/batch-result/${id}?from_row=1`).set('accept', NDJSON);
    expect((await answer.expect(202)).body).toMatchObject({ status: 'receiving' });
  });

  it.each([
    ['?from_row=-1', NDJSON, 'invalid_parameter'],
    ['?from_row=1.5', NDJSON, 'invalid_parameter'],
    ['?from_row=', NDJSON, 'invalid_parameter'],
    ['?from_row=1', 'application/json', 'conflicting_parameter'],
    ['?from_row=1&after=0', NDJSON, 'conflicting_parameter'],
  ])('%s of %s is refused', async (query, accept, code) => {
    const answer = request(harness.app).get(`/batch-result/${randomUUID()}${query}`).set('accept', accept);
    expect((await answer.expect(400)).body).toMatchObject({ code });
  });
});
