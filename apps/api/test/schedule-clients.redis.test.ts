import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLogger } from '@millrace/process/logger';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { useRedis } from '../../../test/fixtures/redis.js';
import { ApiKeys, createKey, writeKeyFile } from '../dist/auth/api-keys.js';
import { type Harness, startHarness } from './harness.js';
import { type Caller, callerOf, finish, SCHEDULE } from './schedules.js';

const redis = useRedis();
const ALICE = createKey('alice', new Date(0));
const BOB = createKey('bob', new Date(0));
const DATE = '2026-01-05';
let folder: string;
let harness: Harness;
let alice: Caller;
let bob: Caller;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-keys-'));
  const file = join(folder, 'keys.json');
  await writeKeyFile(file, { keys: [ALICE.entry, BOB.entry] });
  const log = createLogger({ service: 'test', level: 'error', format: 'json' });
  harness = await startHarness(redis.url, redis.freshKeys(), await ApiKeys.open(file, log));
  [alice, bob] = [callerOf(harness.app, ALICE.key), callerOf(harness.app, BOB.key)];
});
afterAll(async () => {
  await harness.stop();
  await rm(folder, { recursive: true });
});
beforeEach(async () => {
  for (const client of [alice, bob]) await client.delete('/nightly');
  await alice.post('', SCHEDULE).expect(201);
  await alice.post('/nightly/run', { logical_date: DATE, force: true }).expect(202);
});

it('a key is needed', async () => {
  await callerOf(harness.app).get('').expect(401);
});

it('a schedule is its client’s, and unknown to any other', async () => {
  expect((await alice.get('/nightly').expect(200)).body.client).toBe('alice');
  expect((await bob.get('').expect(200)).body).toEqual({ schedules: [] });
  const refused = [
    bob.get('/nightly'),
    bob.patch('/nightly', { enabled: false }),
    bob.delete('/nightly'),
    bob.post('/nightly/run', {}),
    bob.post('/nightly/backfill', { from: DATE, to: DATE }),
    bob.get('/nightly/runs'),
    bob.get(`/nightly/runs/${DATE}`),
    bob.post(`/nightly/runs/${DATE}/cancel`),
    bob.get('/nightly/deliveries'),
  ];
  for (const test of refused) expect((await test.expect(404)).body.code).toBe('unknown_schedule');
  expect((await alice.get('/nightly')).body).toMatchObject({ revision: 1, last_run: { status: 'waiting' } });
});

it('a name is one client’s alone', async () => {
  for (const query of ['', '?validate_only=true']) {
    expect((await bob.post(query, SCHEDULE).expect(409)).body.code).toBe('schedule_exists');
    expect((await bob.put(`/nightly${query}`, SCHEDULE).expect(409)).body.code).toBe('schedule_exists');
  }
  expect((await alice.get('/nightly')).body).toMatchObject({ client: 'alice', revision: 1 });
});

it('a name that another client has taken since keeps the runs of both apart', async () => {
  await finish(harness, DATE);
  await alice.delete('/nightly').expect(204);
  expect((await bob.get('/nightly/runs').expect(404)).body.code).toBe('unknown_schedule');
  await bob.post('', SCHEDULE).expect(201);
  expect((await bob.get('/nightly')).body.last_run).toBeNull();
  expect((await bob.get('/nightly/runs').expect(200)).body).toEqual({ runs: [] });
  expect((await alice.get(`/nightly/runs/${DATE}`).expect(200)).body.status).toBe('succeeded');
  const { body } = await bob.post('/nightly/backfill', { from: DATE, to: '2026-01-06' }).expect(202);
  expect(body).toMatchObject({ created: 2 });
  // It has made way.
  expect((await alice.get(`/nightly/runs/${DATE}`).expect(404)).body.code).toBe('unknown_schedule');
  expect((await bob.get('/nightly/runs?limit=1')).body.runs).toMatchObject([{ logical_date: '2026-01-06' }]);
});

it('whoever reads the own runs of a gone schedule finds them behind those of others', async () => {
  await finish(harness, DATE);
  await alice.delete('/nightly');
  await bob.post('', SCHEDULE);
  await bob.post('/nightly/backfill', { from: '2026-01-06', to: '2026-01-12' }).expect(202);
  const { body } = await alice.get('/nightly/runs?limit=3').expect(200);
  expect(body.runs).toMatchObject([{ logical_date: DATE, status: 'succeeded' }]);
});
