/** Schedules that files define: what stays in force when files go bad, go away, come back, or are rolled back. */
import { mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLogger } from '@millrace/process/logger';
import { connectForRequests, type RedisConnection } from '@millrace/queue/connection';
import { SCHEDULES_MAX, ScheduleStore } from '@millrace/queue/schedules/schedule-store';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { useRedis } from '../../../test/fixtures/redis.js';
import { ScheduleFiles } from '../dist/schedules/schedule-files.js';

const redis = useRedis({ appendonly: 'no' });
const START = Date.parse('2026-11-20T00:00:00Z');
const POLL_MS = 2_000;
let connection: RedisConnection;
let folder: string;
let now: number;
let schedules: ScheduleStore;
let files: ScheduleFiles;
let keys: ReturnType<typeof redis.freshKeys>;

beforeAll(async () => {
  connection = connectForRequests(redis.url);
  await connection.connect();
});
afterAll(() => connection.disconnect());
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'millrace-files-'));
  now = START;
  keys = redis.freshKeys();
  schedules = new ScheduleStore(connection, keys, () => now);
  files = follow();
});
afterEach(() => rmSync(folder, { recursive: true }));

function follow(): ScheduleFiles {
  const log = createLogger({ service: 'scheduler', level: 'error', format: 'json' });
  log.silent = true;
  return new ScheduleFiles({ folder, schedules, log, now: () => now });
}

/** @param writtenAt seconds after the start */
function write(members: Record<string, unknown> | string, writtenAt = 0): void {
  const whole = {
    name: 'nightly',
    model: 'iris',
    source: { kind: 'file', path: 'data/rows.csv' },
    sink: { kind: 'file', path: 'data/{logical_date}.csv' },
    cron: '30 2 * * *',
  };
  const path = join(folder, 'nightly.json');
  writeFileSync(path, typeof members === 'string' ? members : JSON.stringify({ ...whole, ...members }));
  utimesSync(path, START / 1000 + writtenAt, START / 1000 + writtenAt);
}

/** Looks at the folder as often as a process does. */
async function syncFor(seconds: number): Promise<void> {
  for (const end = now + seconds * 1_000; now < end; now += POLL_MS) await files.sync();
}

const models = async () => (await schedules.list()).map(({ definition }) => definition.model);
const watermark = async () => (await schedules.read('nightly'))?.watermark;

it('a file is a schedule, and a later one of its name replaces it', async () => {
  write({});
  await files.sync();
  expect(await models()).toEqual(['iris']);
  write({ model: 'wine' }, 1);
  await files.sync();
  expect(await models()).toEqual(['wine']);
});

it('a file that does not hold any more leaves in force what it said before, for as long as it is there', async () => {
  write({});
  await files.sync();
  const before = await watermark();
  write('{"name": "nightly", ', 1);
  await syncFor(300);
  expect(await models()).toEqual(['iris']);
  expect(await watermark()).toBe(before);
});

it('a file that has gone takes its schedule with it, after a while', async () => {
  write({});
  await syncFor(100);
  rmSync(join(folder, 'nightly.json'));
  await syncFor(100);
  expect(await models()).toEqual(['iris']);
  await syncFor(100);
  expect(await models()).toEqual([]);
});

it('a file that is rolled back counts when nobody has the later one any more, and no date is lost', async () => {
  write({ model: 'wine' }, 10);
  await files.sync();
  const before = await watermark();
  write({ model: 'iris' }, 5);
  await syncFor(50);
  expect(await models()).toEqual(['wine']);
  await syncFor(100);
  expect(await models()).toEqual(['iris']);
  expect(await watermark()).toBe(before);
});

it('an outage, or a stop, of hours gives nothing up: everybody looks again first', async () => {
  write({});
  await syncFor(200);
  const before = await watermark();
  now += 3 * 3_600_000;
  // Another process looks first, which has other files.
  const empty = mkdtempSync(join(tmpdir(), 'millrace-files-'));
  const log = createLogger({ service: 'scheduler', level: 'error', format: 'json' });
  await new ScheduleFiles({ folder: empty, schedules, log, now: () => now }).sync();
  rmSync(empty, { recursive: true });
  await syncFor(10);
  expect(await models()).toEqual(['iris']);
  expect(await watermark()).toBe(before);
});

it('clients cannot keep a file out by taking all names', async () => {
  const names = Array.from({ length: SCHEDULES_MAX }, (_, index) => `other-${index}`);
  await connection.sadd(keys.schedules(), ...names);
  write({});
  await files.sync();
  expect((await schedules.read('nightly'))?.origin).toBe('file');
});
