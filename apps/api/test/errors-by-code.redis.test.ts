import type { RowError } from '@millrace/batch/errors';
import { ColumnBuilder } from '@millrace/batch/results/column';
import { encodeChunk } from '@millrace/batch/results/encode-chunk';
import request from 'supertest';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { useRedis } from '../../../test/fixtures/redis.js';
import { type Harness, startHarness } from './harness.js';
import { storeReceiving, storeTask } from './tasks.js';

const redis = useRedis();
const ROWS = 4;
let harness: Harness;

beforeAll(async () => {
  harness = await startHarness(redis.url, redis.freshKeys());
});
afterAll(() => harness.stop());

const chunksOf = (count: number) => new Array<number>(count).fill(ROWS);
const receiving = (chunks: number) => storeReceiving(harness, chunksOf(chunks));
const taskOf = (chunks: number) => storeTask(harness, chunksOf(chunks));

async function commit(id: string, index: number, errors: RowError[]): Promise<void> {
  const label = new ColumnBuilder({ name: 'label', type: 'int64', shape: [] }, ROWS);
  label.add(Uint32Array.of(0, 1, 2, 3), new BigInt64Array(ROWS), []);
  const outcome = { firstRow: index * ROWS, rows: ROWS, errors, columns: [label.finish()] };
  await harness.store.commit(id, index, encodeChunk({ ...outcome, shown: { primary: 'label' } }));
}

const get = async (id: string, query = '') =>
  (await request(harness.app).get(`/batch-result/${id}${query}`).expect(200)).body;
const wrong = (row: number): RowError => ({ row, id: `id ${row}`, code: 'wrong_type', message: 'no number' });
const late = (row: number): RowError => ({ row, code: 'timeout', message: 'no answer' });
const sum = (groups: Record<string, { count: number }>) =>
  Object.values(groups).reduce((total, { count }) => total + count, 0);

it('shows the errors so far while the task runs, in its status and in pages, and all of them at its end', async () => {
  const id = await taskOf(2);
  expect((await get(id)).errors_by_code).toEqual({});
  await commit(id, 1, [wrong(4), wrong(5), late(6), wrong(7)]);
  const soFar = {
    timeout: { count: 1, examples: [{ row: 6, message: 'no answer' }] },
    wrong_type: {
      count: 3,
      examples: [4, 5, 7].map((row) => ({ row, id: `id ${row}`, message: 'no number' })),
    },
  };
  expect((await get(id)).errors_by_code).toEqual(soFar);
  expect((await get(id, '?after=0')).errors_by_code).toEqual(soFar);
  await commit(id, 0, [wrong(2)]);
  const { errors_by_code: errorsByCode, rows, errors } = await get(id);
  expect(errorsByCode.wrong_type).toMatchObject({ count: 4, examples: [{ row: 2 }, { row: 4 }, { row: 5 }] });
  expect(sum(errorsByCode)).toBe(rows.invalid + rows.failed);
  expect(errors).toHaveLength(5);
});

it('counts the rows of a task that was cancelled', async () => {
  const id = await taskOf(3);
  await commit(id, 1, [wrong(5)]);
  await request(harness.app).post(`/batch-result/${id}/cancel`).expect(200);
  const { errors_by_code: errorsByCode, rows } = await get(id);
  const message = 'the task was cancelled before this row was predicted';
  expect(errorsByCode).toEqual({
    cancelled: { count: 8, examples: [0, 1, 2].map((row) => ({ row, message })) },
    wrong_type: { count: 1, examples: [{ row: 5, id: 'id 5', message: 'no number' }] },
  });
  expect(sum(errorsByCode)).toBe(rows.invalid + rows.failed + rows.cancelled);
});

it('is left out where the task failed as a whole', async () => {
  const id = await receiving(1);
  await commit(id, 0, [wrong(1)]);
  await harness.store.abort(id, 'the client went away');
  expect(await get(id)).not.toHaveProperty('errors_by_code');
});
