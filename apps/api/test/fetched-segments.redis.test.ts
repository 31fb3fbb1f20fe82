/** Which segments of a result are fetched for a download: those that it is made of. */
import request from 'supertest';
import { afterAll, afterEach, beforeAll, expect, it, vi } from 'vitest';
import { useRedis } from '../../../test/fixtures/redis.js';
import { type OutcomeOf, workOff } from '../../../test/fixtures/worked-off.js';
import { type Harness, startHarness } from './harness.js';
import { CSV, NDJSON, submitRows } from './numbered-rows.js';
import { downloadArrow, downloadResult } from './tasks.js';

/** Four chunks, of which the second has no prediction. */
const ROWS = 40;
const CHUNK_ROWS = 10;
const outcomeOf: OutcomeOf = (row) =>
  row === 3 || Math.floor(row / CHUNK_ROWS) === 1 ? 'timeout' : 'predicted';
const TENSORS = ['errors', 'ids', 'columns', 'column:0'];
const TEXTS = ['errors', 'ids', 'lines'];

const redis = useRedis();
const keys = redis.freshKeys();
let harness: Harness;
/** A task, and its retry: both have chunks without a prediction. */
let id: string;

beforeAll(async () => {
  harness = await startHarness(redis.url, keys);
  id = await submitRows(harness, ROWS);
  await workOff(harness.store, id, outcomeOf);
  const { body } = await request(harness.app).post(`/batch-result/${id}/retry`).expect(202);
  await workOff(harness.store, body.task_id, (row) => (row === 12 ? 'timeout' : 'predicted'));
});
afterAll(() => harness.stop());
afterEach(() => vi.restoreAllMocks());

/** The names of segments that are fetched of each chunk meanwhile; null for all of them. */
async function fetchedBy(download: () => Promise<unknown>): Promise<(readonly string[] | null)[]> {
  const fetched: (readonly string[] | null)[] = [];
  const { store } = harness;
  const read = store.readSegments.bind(store);
  vi.spyOn(store, 'readSegments').mockImplementation((task, chunk, names) => {
    fetched.push(names ?? null);
    return read(task, chunk, names);
  });
  await download();
  return fetched;
}

it('of Arrow are the tensors, of a retry, too', async () => {
  const fetched = await fetchedBy(() => downloadArrow(harness, id));
  expect(new Set(fetched.map(String))).toEqual(new Set([['columns'], TENSORS].map(String)));
  expect(fetched.length).toBeGreaterThanOrEqual(6);
});

it.each([NDJSON, CSV])('of merged lines are those texts alone (%s)', async (accept) => {
  const fetched = await fetchedBy(() => downloadResult(harness, id, accept));
  expect(new Set(fetched.map(String))).toEqual(new Set([String(TEXTS)]));
});

it.each(['all', 'primary'])(
  'of lines with outputs=%s are the tensors, once they are known',
  async (outputs) => {
    const fetched = await fetchedBy(() => downloadResult(harness, id, NDJSON, `?outputs=${outputs}`));
    // The first chunk of the task and that of its retry say which there are.
    const [first, ...others] = fetched;
    expect(first).toBeNull();
    expect(others.filter((names) => String(names) === String(TENSORS))).toHaveLength(others.length - 1);
  },
);
