import { randomUUID } from 'node:crypto';
import { newAlarm } from '@millrace/queue/schedules/alarm';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { useRedis } from '../../../test/fixtures/redis.js';
import { type Harness, startHarness } from './harness.js';
import { advance, begin, type Caller, callerOf, finish, NAME, SCHEDULE } from './schedules.js';
import { storeTask } from './tasks.js';

const redis = useRedis();
let harness: Harness;
let call: Caller;

beforeEach(async () => {
  harness = await startHarness(redis.url, redis.freshKeys());
  call = callerOf(harness.app);
  await call.post('', SCHEDULE).expect(201);
});
afterEach(() => harness.stop());

const DATE = '2026-01-05';
const WAITING = 'no scheduler process is running';
const LEDGER = {
  total: 2,
  pending: 0,
  running: 0,
  succeeded: 1,
  invalid: 1,
  failed: 0,
  cancelled: 0,
  expired: 0,
};

const run = (body: object, status = 202) => call.post('/nightly/run', body).expect(status);
const backfill = (body: object, status = 202) => call.post('/nightly/backfill', body).expect(status);
const show = async (date: string) => (await call.get(`/nightly/runs/${date}`).expect(200)).body;
const datesOf = (body: { runs: { logical_date: string }[] }) => body.runs.map((each) => each.logical_date);

describe('POST /v1/schedules/:name/run', () => {
  it('makes a run of this moment', async () => {
    const before = Math.floor(Date.now() / 1000);
    const { body, headers } = await call.post('/nightly/run').expect(202);
    const { logical_date: date } = body;
    expect(date).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
    expect(Date.parse(date) / 1000).toBeGreaterThanOrEqual(before);
    expect(headers.location).toBe(`/v1/schedules/nightly/runs/${date}`);
    expect(body).toMatchObject({
      schedule: NAME,
      status: 'waiting',
      trigger: 'manual',
      attempt: 0,
      waiting_for: WAITING,
    });
    expect(await show(date)).toEqual(body);
    expect((await call.get('/nightly')).body.last_run).toEqual(body);
  });

  it('makes that of a date, which is due when the cron says', async () => {
    const { body } = await run({ logical_date: DATE });
    expect(body).toMatchObject({ logical_date: DATE, due_at: '2026-01-05T01:30:00.000Z' });
  });

  it('waits for nothing when a scheduler lives', async () => {
    await harness.schedulerBeat.beat();
    expect((await run({})).body).not.toHaveProperty('waiting_for');
  });

  it.each([
    ['2026-01-05T02:30', 'a local date such as 2026-11-20'],
    ['tomorrow', 'a local date such as 2026-11-20'],
    ['2026-02-30', 'a local date such as 2026-11-20'],
  ])('refuses %s, which is no date of the schedule', async (date, hint) => {
    const { body } = await run({ logical_date: date }, 422);
    expect(body.code).toBe('invalid_logical_date');
    expect(body.detail).toContain(hint);
  });

  it('refuses a date that the cron does not name, with those that it does', async () => {
    await call.patch('/nightly', { cron: '30 2 * * MON' });
    const { body } = await run({ logical_date: '2026-01-06' }, 422);
    expect(body.detail).toContain('the nearest are 2026-01-05 and 2026-01-12');
  });

  it.each([
    ['a member that there is not', { logicaldate: DATE }, 'unknown_parameter'],
    ['a date that is no text', { logical_date: 7 }, 'invalid_parameter'],
    ['another force', { force: 'yes' }, 'invalid_parameter'],
    ['a list', [], 'invalid_body'],
  ])('refuses %s', async (_, body, code) => {
    expect((await run(body, 400)).body.code).toBe(code);
  });

  it('refuses one that is under way, forced or not', async () => {
    await run({ logical_date: DATE });
    for (const status of ['waiting', 'running']) {
      const { body } = await run({ logical_date: DATE, force: true }, 409);
      expect(body).toMatchObject({
        code: 'run_exists',
        detail: expect.stringContaining(`under way (${status})`),
      });
      if (status === 'waiting') await begin(harness, DATE);
    }
    expect((await show(DATE)).attempt).toBe(1);
  });

  it.each(['succeeded', 'partially_succeeded'] as const)(
    'makes one that has %s again only by force',
    async (status) => {
      await run({ logical_date: DATE });
      await finish(harness, DATE, { status });
      const { body } = await run({ logical_date: DATE }, 409);
      expect(body).toMatchObject({ code: 'run_exists', detail: expect.stringContaining('"force": true') });
      expect((await show(DATE)).status).toBe(status);
      expect((await run({ logical_date: DATE, force: true })).body).toMatchObject({
        status: 'waiting',
        attempt: 1,
      });
    },
  );

  it.each(['failed', 'cancelled', 'expired'] as const)('makes one that has %s again', async (status) => {
    await run({ logical_date: DATE });
    await finish(harness, DATE, { status, error: { code: 'source_not_found', message: 'no file' } });
    expect((await show(DATE)).error).toEqual({ code: 'source_not_found', message: 'no file' });
    const { body } = await run({ logical_date: DATE });
    expect(body).toMatchObject({ status: 'waiting', finished_at: null });
    expect(body).not.toHaveProperty('error');
  });

  it('makes one that was made by hand again, though its date is not the cron’s', async () => {
    const { logical_date: date } = (await run({})).body;
    await finish(harness, date, { status: 'failed' });
    expect((await run({ logical_date: date })).body).toMatchObject({ logical_date: date, status: 'waiting' });
  });

  it('runs what the schedule says now', async () => {
    await run({ logical_date: DATE });
    await finish(harness, DATE, { status: 'failed' });
    await call.patch('/nightly', { model: 'iris@1' });
    await run({ logical_date: DATE });
    expect((await harness.runs.read(NAME, DATE))?.definition.model).toBe('iris@1');
  });

  it('is for a schedule that there is', async () => {
    expect((await call.post('/weekly/run', {}).expect(404)).body.code).toBe('unknown_schedule');
  });
});

describe('POST /v1/schedules/:name/backfill', () => {
  it('makes the runs of a range, in order, as many at once as may', async () => {
    const { body } = await backfill({ from: '2026-01-05', to: '2026-01-08', parallel: 2 });
    const days = ['2026-01-05', '2026-01-06', '2026-01-07', '2026-01-08'];
    expect(body).toEqual({
      created: 4,
      again: 0,
      existing: 0,
      waiting_for: WAITING,
      runs: days.map((date) => ({ logical_date: date, outcome: 'created' })),
    });
    expect((await harness.runs.heads(NAME)).map(({ mayBegin }) => mayBegin)).toEqual([
      true,
      true,
      false,
      false,
    ]);
    expect(await show('2026-01-05')).toMatchObject({
      trigger: 'backfill',
      due_at: '2026-01-05T01:30:00.000Z',
    });
  });

  it('leaves what has succeeded or is under way, and makes the rest again', async () => {
    await backfill({ from: '2026-01-05', to: '2026-01-07', parallel: 16 });
    await finish(harness, '2026-01-05', { status: 'succeeded' });
    await finish(harness, '2026-01-06', { status: 'failed' });
    await advance(harness, '2026-01-08', Date.UTC(2026, 0, 8), 'missed');
    const { body } = await backfill({ from: '2026-01-05', to: '2026-01-09' });
    expect(body).toMatchObject({ created: 1, again: 2, existing: 2 });
    expect(body.runs.map(({ outcome }: { outcome: string }) => outcome)).toEqual([
      'existing',
      'again',
      'existing',
      'again',
      'created',
    ]);
    expect((await harness.runs.heads(NAME)).map(({ logicalDate }) => logicalDate)).toEqual(
      datesOf(body).slice(1),
    );
  });

  it('makes one run at a time unless it is told otherwise', async () => {
    await backfill({ from: '2026-01-05', to: '2026-01-06' });
    expect((await harness.runs.heads(NAME)).map(({ mayBegin }) => mayBegin)).toEqual([true, false]);
  });

  it('leaves to the clock what is not due yet', async () => {
    const now = Date.now();
    const day = (offset: number) => new Date(now + offset * 86_400_000).toISOString().slice(0, 10);
    const { body } = await backfill({ from: day(-3), to: day(3) });
    for (const { logical_date: date } of body.runs) {
      expect(Date.parse((await show(date)).due_at)).toBeLessThanOrEqual(Date.now());
    }
    expect(body.created).toBeGreaterThanOrEqual(2);
    expect(body.created).toBeLessThanOrEqual(4);
    expect((await backfill({ from: day(2), to: day(9) })).body).toMatchObject({ created: 0, runs: [] });
  });

  it.each([
    ['the wrong way round', { from: '2026-01-06', to: '2026-01-05' }, 422, 'invalid_range'],
    ['from no day', { from: '2026-02-30', to: '2026-03-05' }, 422, 'invalid_range'],
    ['to no day', { from: '2026-02-20', to: 'today' }, 422, 'invalid_range'],
    ['without an end', { from: '2026-02-20' }, 400, 'invalid_parameter'],
    ['with none at once', { from: '2026-01-05', to: '2026-01-05', parallel: 0 }, 400, 'invalid_parameter'],
    [
      'with too many at once',
      { from: '2026-01-05', to: '2026-01-05', parallel: 17 },
      400,
      'invalid_parameter',
    ],
    [
      'with a misspelt member',
      { from: '2026-01-05', to: '2026-01-05', paralel: 2 },
      400,
      'unknown_parameter',
    ],
  ])('refuses a range %s', async (_, range, status, code) => {
    expect((await backfill(range, status)).body.code).toBe(code);
    expect((await call.get('/nightly/runs')).body).toEqual({ runs: [] });
  });

  it('refuses more than a thousand dates, with how many there are', async () => {
    const { body } = await backfill({ from: '2020-01-01', to: '2022-12-31' }, 422);
    expect(body).toMatchObject({ code: 'too_many_runs', runs: 1_096, limit_runs: 1_000 });
    expect(body.detail).toContain('up to 2022-09-26');
    await call.patch('/nightly', { cron: '* * * * * *' });
    expect((await backfill({ from: '2020-01-01', to: '2022-12-31' }, 422)).body).toMatchObject({
      runs: 10_000,
      detail: expect.stringContaining('more than 10000'),
    });
    expect((await call.get('/nightly/runs')).body).toEqual({ runs: [] });
  });

  it('refuses more than may wait', async () => {
    await backfill({ from: '2020-01-01', to: '2022-09-25' });
    expect((await backfill({ from: '2023-01-01', to: '2023-01-02' }, 422)).body).toMatchObject({
      code: 'too_many_runs',
      limit_runs: 1_000,
    });
    // Asked again, as after a lost answer.
    expect((await backfill({ from: '2020-01-01', to: '2022-09-25' })).body).toMatchObject({ existing: 999 });
  });
});

describe('GET /v1/schedules/:name/runs', () => {
  it('reads them in pages, the latest first', async () => {
    await backfill({ from: '2026-01-05', to: '2026-01-09' });
    const first = (await call.get('/nightly/runs?limit=2').expect(200)).body;
    expect(datesOf(first)).toEqual(['2026-01-09', '2026-01-08']);
    const second = (await call.get(`/nightly/runs?limit=3&before=${first.next}`)).body;
    expect(datesOf(second)).toEqual(['2026-01-07', '2026-01-06', '2026-01-05']);
    expect((await call.get(`/nightly/runs?limit=3&before=${second.next}`)).body).toEqual({ runs: [] });
    const all = (await call.get('/nightly/runs')).body;
    expect(datesOf(all)).toHaveLength(5);
    expect(all).not.toHaveProperty('next');
    expect(all.runs[0]).toEqual(await show('2026-01-09'));
  });

  it.each(['limit=0', 'limit=201', 'limit=x', 'before=yesterday', 'before=2026-01-05&before=2026-01-06'])(
    'refuses ?%s',
    async (query) => {
      expect((await call.get(`/nightly/runs?${query}`).expect(400)).body.code).toBe('invalid_parameter');
    },
  );

  it('shows what has come of a run', async () => {
    await run({ logical_date: DATE });
    const started = await begin(harness, DATE);
    const taskId = randomUUID();
    await harness.runs.note(started, { taskId, model: 'iris@1', acceptedTask: taskId, writtenRows: 1 });
    const written = { location: 'out/a.ndjson', rows: 2, bytes: 30, sha256: 'ab' };
    await harness.runs.end(started, { status: 'partially_succeeded', ledger: LEDGER, written, alarms: [] });
    expect(await show(DATE)).toMatchObject({
      status: 'partially_succeeded',
      model: 'iris@1',
      task_id: taskId,
      rows: LEDGER,
      written_rows: 1,
      written,
      attempt: 1,
    });
  });

  it.each([DATE, 'latest', '..%2f..', '2026-01-05T02:30', '%7Bx%7D'])('%s is unknown', async (date) => {
    for (const test of [call.get(`/nightly/runs/${date}`), call.post(`/nightly/runs/${date}/cancel`)]) {
      expect((await test.expect(404)).body.code).toBe('unknown_run');
    }
    expect((await call.get(`/weekly/runs/${date}`).expect(404)).body.code).toBe('unknown_schedule');
  });
});

describe('POST /v1/schedules/:name/runs/:date/cancel', () => {
  const cancel = async (date = DATE) => (await call.post(`/nightly/runs/${date}/cancel`).expect(200)).body;

  it('ends a run that waits, once', async () => {
    await run({ logical_date: DATE });
    const cancelled = await cancel();
    expect(cancelled).toMatchObject({ status: 'cancelled', started_at: null });
    expect(cancelled.finished_at).not.toBeNull();
    expect(cancelled).not.toHaveProperty('waiting_for');
    expect(await cancel()).toEqual(cancelled);
  });

  it('asks for the end of one that runs, and ends its task', async () => {
    await run({ logical_date: DATE });
    const started = await begin(harness, DATE);
    const taskId = await storeTask(harness, [10, 10]);
    await harness.runs.note(started, { taskId });
    expect(await cancel()).toMatchObject({ status: 'running', cancel_requested: true });
    expect(await harness.store.read(taskId)).toMatchObject({
      status: 'cancelled',
      ledger: { cancelled: 20 },
    });
    expect(await harness.runs.note(started, {})).toBe('cancelled');
    await harness.runs.end(started, { status: 'cancelled', alarms: [] });
    const cancelled = await cancel();
    expect(cancelled.status).toBe('cancelled');
    expect(cancelled).not.toHaveProperty('cancel_requested');
  });

  it('changes nothing of one that has ended', async () => {
    await run({ logical_date: DATE });
    await finish(harness, DATE);
    expect(await cancel()).toEqual(await show(DATE));
    expect((await show(DATE)).status).toBe('succeeded');
  });
});

describe('DELETE /v1/schedules/:name', () => {
  it('removes it and cancels its runs, which stay readable', async () => {
    await backfill({ from: '2026-01-05', to: '2026-05-05' });
    await run({ logical_date: '2026-06-01' });
    const started = await begin(harness, '2026-06-01');
    const taskId = await storeTask(harness, [10]);
    await harness.runs.note(started, { taskId });
    await finish(harness, '2026-01-05');
    await call.delete('/nightly').expect(204);
    await call.get('/nightly').expect(404);
    expect((await call.get('')).body).toEqual({ schedules: [] });
    const { runs } = (await call.get('/nightly/runs?limit=200').expect(200)).body;
    expect(runs).toHaveLength(122);
    const [last, ...others] = runs;
    expect(last).toMatchObject({ logical_date: '2026-06-01', status: 'running', cancel_requested: true });
    expect((await harness.store.read(taskId))?.status).toBe('cancelled');
    expect(others.pop()).toMatchObject({ logical_date: '2026-01-05', status: 'succeeded' });
    expect(new Set(others.map(({ status }: { status: string }) => status))).toEqual(new Set(['cancelled']));
    expect((await show('2026-01-05')).status).toBe('succeeded');
    expect((await call.delete('/nightly').expect(404)).body.code).toBe('unknown_schedule');
  });

  it('leaves nothing of a schedule without runs', async () => {
    await call.delete('/nightly').expect(204);
    expect((await call.get('/nightly/runs').expect(404)).body.code).toBe('unknown_schedule');
  });
});

describe('GET /v1/schedules/:name/deliveries', () => {
  it('shows the log of alarms, the latest first, since the schedule was made', async () => {
    expect((await call.get('/nightly/deliveries').expect(200)).body).toEqual({ deliveries: [] });
    const alarm = newAlarm(
      { type: 'run.failed', schedule: NAME, logical_date: DATE, message: 'm', details: {} },
      0,
    );
    const delivery = (attempt: number, at: number) => ({
      alarm: alarm.id,
      type: alarm.type,
      logical_date: DATE,
      at: new Date(at).toISOString(),
      attempt,
      connection: 'oncall',
      outcome: 'failed' as const,
      status: 500,
      reason: 'status 500',
    });
    const now = Date.now();
    await harness.alarms.log(NAME, delivery(1, 0));
    await harness.alarms.log(NAME, delivery(2, now));
    await harness.alarms.log(NAME, delivery(3, now + 1));
    expect((await call.get('/nightly/deliveries')).body).toEqual({
      deliveries: [delivery(3, now + 1), delivery(2, now)],
    });
  });
});
