import { randomUUID } from 'node:crypto';
import { ColumnBuilder } from '@millrace/batch/results/column';
import { encodeChunk } from '@millrace/batch/results/encode-chunk';
import fc from 'fast-check';
import request from 'supertest';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { useRedis } from '../../../test/fixtures/redis.js';
import { type Harness, startHarness } from './harness.js';
import { firstRowOf, storeTask } from './tasks.js';

const redis = useRedis();
let harness: Harness;

beforeAll(async () => {
  harness = await startHarness(redis.url, redis.freshKeys());
});
afterAll(() => harness.stop());

/** Commits a chunk whose every third row is bad; row i is predicted as i. */
async function commit(id: string, sizes: readonly number[], index: number): Promise<void> {
  const firstRow = firstRowOf(sizes, index);
  const rows = sizes[index] as number;
  const places = Array.from({ length: rows }, (_, at) => at);
  const errors = places
    .filter((at) => (firstRow + at) % 3 === 0)
    .map((at) => ({ row: firstRow + at, code: 'wrong_type' as const, message: 'no number' }));
  const label = new ColumnBuilder({ name: 'label', type: 'int64', shape: [] }, rows);
  label.add(
    Uint32Array.from(places),
    BigInt64Array.from(places, (at) => BigInt(firstRow + at)),
    [],
  );
  const columns = [label.finish()];
  await harness.store.commit(
    id,
    index,
    encodeChunk({ firstRow, rows, errors, columns, shown: { primary: 'label' } }),
  );
}

const expected = (row: number) =>
  row % 3 === 0 ? { row, error: { code: 'wrong_type', message: 'no number' } } : { row, prediction: row };

async function page(id: string, after: string, query = '') {
  return (await request(harness.app).get(`/batch-result/${id}?after=${after}${query}`).expect(200)).body;
}

describe('GET /batch-result/:id?after=', () => {
  it('gives the finished rows up to the first that is not, and goes on from there', async () => {
    const sizes = [4, 4, 4];
    const id = await storeTask(harness, sizes);
    await commit(id, sizes, 0);
    await commit(id, sizes, 2);
    const first = await page(id, '0');
    expect(first).toMatchObject({ status: 'pending', next: '1', complete: false });
    expect(first.results).toEqual([0, 1, 2, 3].map(expected));
    expect(await page(id, first.next)).toMatchObject({ results: [], next: '1', complete: false });
    await commit(id, sizes, 1);
    const last = await page(id, first.next);
    expect(last).toMatchObject({ status: 'partially_succeeded', next: '3', complete: true });
    expect(last.results).toEqual([4, 5, 6, 7, 8, 9, 10, 11].map(expected));
    expect(await page(id, last.next)).toMatchObject({ results: [], next: '3', complete: true });
  });

  it('shows each row once and in order to whoever follows, whatever is finished when', async () => {
    const sizes = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 6 });
    await fc.assert(
      fc.asyncProperty(
        sizes,
        fc.integer({ min: 1, max: 12 }),
        fc.infiniteStream(fc.nat(5)),
        async (chunks, limit, picks) => {
          const id = await storeTask(harness, chunks);
          const waiting = chunks.map((_, index) => index);
          const seen: unknown[] = [];
          let after = '0';
          for (let complete = false; !complete; ) {
            const [index] = waiting.splice((picks.next().value as number) % Math.max(1, waiting.length), 1);
            if (index !== undefined) await commit(id, chunks, index);
            const answer = await page(id, after, `&limit=${limit}`);
            expect(answer.results.length).toBeLessThanOrEqual(limit);
            seen.push(...answer.results);
            ({ next: after, complete } = answer);
          }
          const total = chunks.reduce((sum, rows) => sum + rows, 0);
          expect(seen).toEqual(Array.from({ length: total }, (_, row) => expected(row)));
        },
      ),
      { numRuns: 40 },
    );
  });

  it('names the rows of a cancelled task', async () => {
    const sizes = [2, 2];
    const id = await storeTask(harness, sizes);
    await commit(id, sizes, 1);
    await request(harness.app).post(`/batch-result/${id}/cancel`).expect(200);
    const { results, complete } = await page(id, '0');
    expect(results.map((row: { error?: { code: string } }) => row.error?.code)).toEqual([
      'cancelled',
      'cancelled',
      undefined,
      'wrong_type',
    ]);
    expect(complete).toBe(true);
  });

  it('gives every output when asked for', async () => {
    const id = await storeTask(harness, [2]);
    await commit(id, [2], 0);
    expect((await page(id, '0', '&outputs=all')).results[1]).toEqual({ row: 1, prediction: { label: 1 } });
  });

  it.each([
    ['?after=x', 'invalid_parameter', 'query parameter "after": must be 0, or the "next" of an earlier page'],
    [
      '?after=-1',
      'invalid_parameter',
      'query parameter "after": must be 0, or the "next" of an earlier page',
    ],
    ['?after=0&limit=0', 'invalid_parameter', 'query parameter "limit": must be from 1 to 10000'],
    ['?after=0&limit=10001', 'invalid_parameter', 'query parameter "limit": must be from 1 to 10000'],
    ['?limit=5', 'conflicting_parameter', 'limit is for pages, which begin with after=0'],
  ])('%s is refused', async (query, code, detail) => {
    const { body } = await request(harness.app).get(`/batch-result/${randomUUID()}${query}`).expect(400);
    expect(body).toMatchObject({ code, detail });
  });
});
