/** Refusals of a retry that come of what the platform holds; the document must have each of them. */
import type { RequestCode } from '@millrace/batch/errors';
import type { AdmissionLimits } from '@millrace/tasks/admission';
import request from 'supertest';
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest';
import { useRedis } from '../../../test/fixtures/redis.js';
import { all, workOff } from '../../../test/fixtures/worked-off.js';
import { ADMISSION, type Harness, IDS, LIMITS, startHarness } from './harness.js';
import { submitRows } from './numbered-rows.js';

const redis = useRedis();
const keys = redis.freshKeys();
/** The harness puts ten rows into a chunk: there is room for two chunks of a retry. */
const FEW = { rows: 15, bytes: 1e9 };
let harness: Harness;

beforeAll(async () => {
  harness = await startHarness(redis.url, keys);
});
afterAll(() => harness.stop());

/** A retry by an API process that takes less in. */
async function retryWithin(limits: Partial<AdmissionLimits>, id: string): Promise<request.Response> {
  const small = await startHarness(redis.url, keys, undefined, LIMITS, undefined, {
    ...ADMISSION,
    ...limits,
  });
  onTestFinished(() => small.stop());
  return request(small.app).post(`/batch-result/${id}/retry`);
}

async function failedTask(): Promise<string> {
  const id = await submitRows(harness, 30);
  await workOff(harness.store, id, all('timeout'));
  return id;
}

/** Gives up the upload that is under way, as soon as there is one. */
async function interruptUpload(): Promise<void> {
  const { store } = harness;
  const abortReceived = async () => {
    const { tasks } = await store.index.unfinished('0');
    const found = await Promise.all(tasks.map(({ id }) => store.read(id)));
    const received = found.find((task) => task?.status === 'receiving');
    if (received !== undefined) await store.abort(received.id, 'the process fell silent');
    return received;
  };
  await expect.poll(abortReceived).toBeDefined();
}

it.each<[RequestCode, number, () => Promise<request.Response>]>([
  ['task_lost', 410, () => retryWithin({}, IDS.create('anonymous'))],
  ['too_much_in_flight', 429, async () => retryWithin({ client: FEW, stallMs: 0 }, await failedTask())],
  ['overloaded', 503, async () => retryWithin({ all: FEW, stallMs: 0 }, await failedTask())],
  [
    'upload_interrupted',
    503,
    async () => {
      const retried = retryWithin({ client: FEW, stallMs: 20_000 }, await failedTask());
      await interruptUpload();
      return retried;
    },
  ],
])('%s is answered, and documented', async (code, status, ask) => {
  const { body } = await ask();
  expect([body.code, body.status]).toEqual([code, status]);
  const { paths } = (await request(harness.app).get('/openapi.json').expect(200)).body;
  const { content } = paths['/batch-result/{id}/retry'].post.responses[status];
  const { code: documented } = content['application/problem+json'].schema.allOf[1].properties;
  expect([documented.enum ?? documented.const].flat()).toContain(code);
});
