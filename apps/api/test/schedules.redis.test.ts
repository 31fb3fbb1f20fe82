import { gzipSync } from 'node:zlib';
import type { Keys } from '@millrace/queue/keys';
import { parseSchedule } from '@millrace/schedule/schedule';
import request from 'supertest';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { useRedis } from '../../../test/fixtures/redis.js';
import { type Harness, startHarness } from './harness.js';
import { advance, type Caller, callerOf, finish, NAME, SCHEDULE } from './schedules.js';

const redis = useRedis();
let keys: Keys;
let harness: Harness;
let call: Caller;

beforeEach(async () => {
  keys = redis.freshKeys();
  harness = await startHarness(redis.url, keys);
  call = callerOf(harness.app);
});
afterEach(() => harness.stop());

const putFile = async (change: object = {}) => {
  const definition = parseSchedule({ ...SCHEDULE, ...change });
  await harness.schedules.put({ definition, client: definition.client, fileAt: 1 }, 'replace');
};
const TIME = expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/);

describe('POST /v1/schedules', () => {
  it('makes a schedule and shows it whole, with when it is next due', async () => {
    const { body, headers } = await call.post('', SCHEDULE).expect(201);
    expect(headers.location).toBe('/v1/schedules/nightly');
    expect(body).toEqual({
      ...SCHEDULE,
      catch_up: 'latest',
      overlap: 'skip',
      start_deadline: 600,
      enabled: true,
      client: 'anonymous',
      metadata: {},
      origin: 'api',
      revision: 1,
      created_at: TIME,
      updated_at: TIME,
      waiting_for: 'no scheduler process is running',
      next_runs: body.next_runs,
      last_run: null,
    });
    expect(body.next_runs).toHaveLength(5);
    for (const { logical_date: date, local, utc } of body.next_runs) {
      expect(local).toMatch(new RegExp(`^${date}T0[23]:`));
      expect(Date.parse(local)).toBe(Date.parse(utc));
      expect(Date.parse(utc)).toBeGreaterThan(Date.now());
    }
    expect((await call.get('/nightly').expect(200)).body).toEqual(body);
  });

  it('checks it only, and keeps nothing, when that is asked for', async () => {
    const { body } = await call.post('?validate_only=true', SCHEDULE).expect(200);
    expect(body).toMatchObject({
      ...SCHEDULE,
      catch_up: 'latest',
      revision: null,
      created_at: null,
      last_run: null,
    });
    expect(body.next_runs).toHaveLength(5);
    await call.get('/nightly').expect(404);
    expect(await harness.schedules.names()).toEqual([]);
  });

  it('refuses one whose name is taken, checked or made', async () => {
    await call.post('', SCHEDULE).expect(201);
    for (const query of ['', '?validate_only=true']) {
      const { body } = await call.post(query, { ...SCHEDULE, cron: '0 3 * * *' }).expect(409);
      expect(body).toMatchObject({ code: 'schedule_exists', detail: expect.stringContaining('"nightly"') });
    }
    expect((await call.get('/nightly')).body.cron).toBe(SCHEDULE.cron);
  });

  it('names every field that is wrong', async () => {
    const wrong = {
      ...SCHEDULE,
      cron: '61 2 * * *',
      timezone: 'Europe/Berlni',
      catchup: 'all',
      sink: { kind: 'ftp' },
    };
    const { body } = await call.post('', wrong).expect(422);
    expect(body.code).toBe('invalid_schedule');
    const fields = body.problems.map(({ field }: { field: string }) => field);
    expect(fields.sort()).toEqual(['', 'cron', 'sink.kind', 'timezone']);
    expect(body.detail).toContain('did you mean "Europe/Berlin"?');
    expect(body.detail).toContain('did you mean "catch_up"?');
  });

  it('refuses another client than the one who asks', async () => {
    const { body } = await call.post('', { ...SCHEDULE, client: 'bob' }).expect(422);
    expect(body.problems).toEqual([{ field: 'client', message: expect.stringContaining('"anonymous"') }]);
  });

  it('takes a model that nobody serves yet, and says so', async () => {
    const { body } = await call.post('', { ...SCHEDULE, model: 'irsi' }).expect(201);
    expect(body.model_problem).toBe('no worker serves "irsi"; did you mean "iris"?');
    expect((await call.post('', { ...SCHEDULE, name: 'other' }).expect(201)).body).not.toHaveProperty(
      'model_problem',
    );
  });

  it.each([
    ['no object', '[]', 'application/json', 400, 'invalid_body'],
    ['no JSON', '{', 'application/json', 400, 'malformed_body'],
    ['no UTF-8', Buffer.from([0x7b, 0xff, 0x7d]), 'application/json', 400, 'malformed_body'],
    [
      'deep nesting',
      `{"metadata":${'['.repeat(70)}${']'.repeat(70)}}`,
      'application/json',
      400,
      'invalid_body',
    ],
    ['lines', JSON.stringify(SCHEDULE), 'application/x-ndjson', 415, 'unsupported_media_type'],
    [
      'another charset',
      JSON.stringify(SCHEDULE),
      'application/json; charset=latin1',
      415,
      'unsupported_media_type',
    ],
    [
      'too much',
      JSON.stringify({ ...SCHEDULE, x: 'x'.repeat(65_536) }),
      'application/json',
      413,
      'body_too_large',
    ],
  ])('refuses %s', async (_, sent, type, status, code) => {
    const test = request(harness.app).post('/v1/schedules').set('content-type', type);
    // As bytes: superagent would make JSON of a text.
    const { body } = await test
      .serialize((each) => each as string)
      .send(sent as string)
      .expect(status);
    expect(body.code).toBe(code);
  });

  it('takes gzip', async () => {
    const test = request(harness.app).post('/v1/schedules').set('content-encoding', 'gzip');
    const zipped = gzipSync(JSON.stringify(SCHEDULE)) as unknown as string;
    await test
      .type('json')
      .serialize((each) => each as string)
      .send(zipped)
      .expect(201);
  });

  it.each(['post', 'put', 'patch'] as const)('refuses a parameter that there is not (%s)', async (method) => {
    const path = method === 'post' ? '' : '/nightly';
    const { body } = await call[method](`${path}?validate=true`, SCHEDULE).expect(400);
    expect(body.code).toBe('unknown_parameter');
  });
});

describe('GET /v1/schedules', () => {
  it('lists them by name', async () => {
    expect((await call.get('').expect(200)).body).toEqual({ schedules: [] });
    for (const name of ['b', 'a']) await call.post('', { ...SCHEDULE, name }).expect(201);
    const { schedules } = (await call.get('').expect(200)).body;
    expect(schedules).toEqual([(await call.get('/a')).body, (await call.get('/b')).body]);
  });

  it('shows the last run that is due by now', async () => {
    await call.post('', SCHEDULE);
    await advance(harness, '2026-01-01', Date.UTC(2026, 0, 1));
    await finish(harness, '2026-01-01');
    const tomorrow = Date.now() + 86_400_000;
    await advance(harness, '2199-01-01', tomorrow);
    const { last_run: lastRun } = (await call.get('/nightly')).body;
    expect(lastRun).toMatchObject({ logical_date: '2026-01-01', status: 'succeeded' });
  });

  it.each(['/nobody', '/NIGHTLY', '/a{b}', `/${'x'.repeat(64)}`, '/__proto__'])(
    '%s is unknown',
    async (path) => {
      for (const test of [
        call.get(path),
        call.patch(path, {}),
        call.delete(path),
        call.get(`${path}/deliveries`),
      ]) {
        expect((await test.expect(404)).body.code).toBe('unknown_schedule');
      }
    },
  );
});

describe('what a schedule waits for', () => {
  it('is said while no scheduler lives and it is enabled', async () => {
    await call.post('', SCHEDULE);
    expect((await call.get('/nightly')).body.waiting_for).toBe('no scheduler process is running');
    await call.patch('/nightly', { enabled: false });
    expect((await call.get('/nightly')).body).not.toHaveProperty('waiting_for');
    await call.patch('/nightly', { enabled: true });
    await harness.schedulerBeat.beat();
    expect((await call.get('/nightly')).body).not.toHaveProperty('waiting_for');
  });
});

describe('PUT /v1/schedules/:name', () => {
  const { name: _, ...unnamed } = SCHEDULE;

  it('makes it, and replaces it', async () => {
    const made = await call.put('/nightly', unnamed).expect(201);
    expect(made.headers.location).toBe('/v1/schedules/nightly');
    expect(made.body).toMatchObject({ name: NAME, revision: 1 });
    const replaced = await call.put('/nightly', { ...SCHEDULE, overlap: 'queue' }).expect(200);
    expect(replaced.body).toMatchObject({ revision: 2, overlap: 'queue' });
    expect(replaced.headers).not.toHaveProperty('location');
    expect((await call.put('/nightly', { ...unnamed, overlap: 'queue' }).expect(200)).body.revision).toBe(2);
  });

  it('checks it only, when that is asked for', async () => {
    expect((await call.put('/nightly?validate_only=true', unnamed).expect(200)).body.revision).toBeNull();
    await call.put('/nightly', unnamed).expect(201);
    const planned = await call
      .put('/nightly?validate_only=true', { ...unnamed, cron: '0 3 * * *' })
      .expect(200);
    expect(planned.body.next_runs[0].local).toContain('T03:00:00');
    expect((await call.get('/nightly')).body.cron).toBe(SCHEDULE.cron);
  });

  it('refuses another name than that of the path', async () => {
    const { body } = await call.put('/weekly', SCHEDULE).expect(422);
    expect(body).toMatchObject({ code: 'invalid_schedule', problems: [{ field: 'name' }] });
    expect((await call.put('/Nightly', unnamed).expect(422)).body.problems).toMatchObject([
      { field: 'name' },
    ]);
  });
});

describe('PATCH /v1/schedules/:name', () => {
  beforeEach(() => call.post('', { ...SCHEDULE, expires_in: 60, metadata: { team: 'a', tier: 1 } }));

  it('pauses and resumes', async () => {
    const before = (await call.get('/nightly')).body;
    const { body } = await call.patch('/nightly', { enabled: false }).expect(200);
    const { waiting_for: __, ...quiet } = before;
    expect(body).toEqual({ ...quiet, enabled: false, revision: 2, updated_at: body.updated_at });
    expect((await call.patch('/nightly', { enabled: true })).body).toMatchObject({
      enabled: true,
      revision: 3,
    });
  });

  it('merges, and takes away what is null', async () => {
    const patch = { metadata: { tier: null, owner: 'b' }, expires_in: null, timezone: null };
    const { body } = await request(harness.app)
      .patch('/v1/schedules/nightly')
      .type('application/merge-patch+json')
      .send(JSON.stringify(patch))
      .expect(200);
    expect(body).toMatchObject({ metadata: { team: 'a', owner: 'b' }, timezone: 'UTC' });
    expect(body).not.toHaveProperty('expires_in');
  });

  it.each([
    ['a name', { name: 'weekly' }, 'name'],
    ['no name', { name: null }, 'name'],
    ['what would be wrong', { cron: null }, 'cron'],
    ['another kind of sink without its members', { sink: { kind: 's3' } }, 'sink.connection'],
    ['another client', { client: 'bob' }, 'client'],
    ['a field that there is not', { shceduled: true }, ''],
  ])('refuses %s', async (_, patch, field) => {
    const { body } = await call.patch('/nightly', patch).expect(422);
    expect(body.code).toBe('invalid_schedule');
    expect(body.problems.map((problem: { field: string }) => problem.field)).toContain(field);
    expect((await call.get('/nightly')).body.revision).toBe(1);
  });

  it('loses none of many that come at once', async () => {
    const names = Array.from({ length: 10 }, (_, index) => `note-${index}`);
    await Promise.all(
      names.map((name) => call.patch('/nightly', { metadata: { [name]: true } }).expect(200)),
    );
    const { body } = await call.get('/nightly');
    expect(Object.keys(body.metadata)).toEqual(expect.arrayContaining(names));
    expect(body.revision).toBe(11);
  });
});

describe('a schedule that comes from a file', () => {
  it('is shown, and is not changed by requests', async () => {
    await putFile();
    expect((await call.get('/nightly')).body.origin).toBe('file');
    const refused = [
      call.put('/nightly', { ...SCHEDULE, overlap: 'queue' }),
      call.put('/nightly?validate_only=true', SCHEDULE),
      call.patch('/nightly', { enabled: false }),
      call.delete('/nightly'),
    ];
    for (const test of refused) {
      const { body } = await test.expect(409);
      expect(body).toMatchObject({ code: 'schedule_from_file', detail: expect.stringContaining('file') });
    }
    expect((await call.post('', SCHEDULE).expect(409)).body.code).toBe('schedule_exists');
    expect((await call.get('/nightly')).body).toMatchObject({ revision: 1, enabled: true });
  });

  it('can be run all the same', async () => {
    await putFile();
    await call.post('/nightly/run', {}).expect(202);
  });
});

it('there are no more schedules than there may be', async () => {
  const others = Array.from({ length: 1_000 }, (_, index) => `other-${index}`);
  await redis.redis.sadd(keys.schedules(), ...others);
  expect((await call.post('', SCHEDULE).expect(409)).body.code).toBe('too_many_schedules');
  await call.get('/nightly').expect(404);
});
