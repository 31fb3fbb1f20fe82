import type { RowCode } from '@millrace/batch/errors';
import { isRetryable } from '@millrace/batch/retry';
import fc from 'fast-check';
import request from 'supertest';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { useRedis } from '../../../test/fixtures/redis.js';
import { all, type Outcome, type OutcomeOf, workOff } from '../../../test/fixtures/worked-off.js';
import { type Harness, startHarness } from './harness.js';
import { ARROW, CSV, NDJSON, submitRows } from './numbered-rows.js';
import { downloadArrow, downloadResult } from './tasks.js';

/** As the harness cuts them. */
const CHUNK_ROWS = 10;
const redis = useRedis();
const keys = redis.freshKeys();
let harness: Harness;

beforeAll(async () => {
  harness = await startHarness(redis.url, keys);
});
afterAll(() => harness.stop());

const submitted = (rows: number, type?: string) => submitRows(harness, rows, type);
const work = (id: string, outcomeOf: OutcomeOf) => workOff(harness.store, id, outcomeOf);
/** The id of the retry that is accepted. */
const retried = async (id: string): Promise<string> =>
  (await request(harness.app).post(`/batch-result/${id}/retry`).expect(202)).body.task_id;
const read = async (id: string) => (await request(harness.app).get(`/batch-result/${id}`).expect(200)).body;

const download = (id: string, accept: string, query?: string) => downloadResult(harness, id, accept, query);

async function pages(id: string, limit: number): Promise<unknown[]> {
  const rows: unknown[] = [];
  for (let after = '0', complete = false; !complete; ) {
    const { body } = await request(harness.app).get(`/batch-result/${id}?after=${after}&limit=${limit}`);
    rows.push(...body.results);
    ({ next: after, complete } = body);
  }
  return rows;
}

describe('the merged result', () => {
  const outcome = fc.constantFrom<Outcome>(
    ...(['predicted', 'predicted', 'timeout', 'worker_lost', 'wrong_type', 'input_lost'] as const),
  );
  const ROWS_MAX = 35;
  const tableOf = (each: fc.Arbitrary<Outcome>) =>
    fc.array(each, { minLength: ROWS_MAX, maxLength: ROWS_MAX });
  const stopped = tableOf(fc.oneof({ arbitrary: outcome, weight: 20 }, fc.constant<Outcome>('halted')));
  const attempts = fc.tuple(fc.array(stopped, { minLength: 1, maxLength: 3 }), tableOf(outcome));

  /** What the rows of a task come to when it is worked off by a table: a chunk with a halted row is halted whole. */
  function workedOff(taken: readonly number[], table: readonly Outcome[]): Outcome[] {
    return taken.map((row, place) => {
      const start = place - (place % CHUNK_ROWS);
      const chunk = taken.slice(start, start + CHUNK_ROWS);
      return chunk.some((each) => table[each] === 'halted') ? 'halted' : (table[row] as Outcome);
    });
  }

  it.each([NDJSON, CSV, ARROW])(
    'is, byte for byte, that of a task in which each row went as it did last (%s)',
    async (type) => {
      await fc.assert(
        fc.asyncProperty(
          fc.integer({ min: 1, max: ROWS_MAX }),
          attempts,
          fc.nat(ROWS_MAX),
          async (rows, [earlier, last], fromRow) => {
            const first = await submitted(rows, type);
            const now: Outcome[] = [];
            let current = first;
            let taken = Array.from({ length: rows }, (_, row) => row);
            for (const table of [...earlier, last]) {
              await work(current, (row) => table[row] as Outcome);
              for (const [place, each] of workedOff(taken, table).entries())
                now[taken[place] as number] = each;
              taken = taken.filter((row) => now[row] === 'halted' || isRetryable(now[row] as RowCode));
              if (table === last || taken.length === 0) break;
              current = await retried(first);
            }
            const reference = await submitted(rows, type);
            await work(reference, (row) => now[row] as Outcome);
            const [merged, expected] = [await read(first), await read(reference)];
            for (const name of ['status', 'rows', 'predictions', 'errors', 'errors_by_code']) {
              expect(merged[name]).toEqual(expected[name]);
            }
            for (const accept of [NDJSON, CSV]) {
              expect(await download(first, accept)).toBe(await download(reference, accept));
              const query = `?from_row=${fromRow}&outputs=all`;
              expect(await download(first, accept, query)).toBe(await download(reference, accept, query));
            }
            const rest = `?from_row=${fromRow}`;
            expect(await downloadArrow(harness, first)).toEqual(await downloadArrow(harness, reference));
            expect(await downloadArrow(harness, first, rest)).toEqual(
              await downloadArrow(harness, reference, rest),
            );
            expect(await pages(first, 7)).toEqual(await pages(reference, 7));
          },
        ),
        { numRuns: 10 },
      );
    },
  );

  it('is that of the first task until the retry has finished, which shows beside it', async () => {
    const id = await submitted(12);
    await work(id, (row) => (row === 5 ? 'timeout' : 'predicted'));
    const before = await read(id);
    const again = await retried(id);
    const { retries, ...unchanged } = await read(id);
    expect(unchanged).toEqual(before);
    expect(retries).toMatchObject([{ task_id: again, status: 'pending', rows: { total: 1, pending: 1 } }]);
    await work(again, all('predicted'));
    expect(await read(id)).toMatchObject({
      status: 'succeeded',
      rows: { total: 12, succeeded: 12, failed: 0 },
      errors: [],
      errors_by_code: {},
      retries: [{ task_id: again, status: 'succeeded' }],
    });
    expect(await read(again)).toMatchObject({ status: 'succeeded', predictions: [50], retry_of: id });
  });

  it.each([
    ['erased', (id: string) => request(harness.app).delete(`/batch-result/${id}`).expect(204)],
    ['expired', (id: string) => redis.redis.hset(keys.task(id), 'expires_at', 1)],
    ['gone', (id: string) => redis.redis.del(keys.task(id))],
  ])('leaves out a retry that is %s, and the rows can be retried again', async (_, harm) => {
    const id = await submitted(12);
    await work(id, (row) => (row === 5 ? 'timeout' : 'predicted'));
    const before = await read(id);
    const lost = await retried(id);
    await work(lost, all('predicted'));
    await harm(lost);
    expect(await read(id)).toEqual(before);
    const again = await retried(id);
    expect(again).not.toBe(lost);
    await work(again, all('predicted'));
    expect(await read(id)).toMatchObject({ status: 'succeeded', predictions: { 5: 50 } });
  });
});
