/** The application with a schedule in it, for tests of the routes of schedules. */
import type { RecordedRun } from '@millrace/queue/schedules/run-record';
import type { RunEnd } from '@millrace/queue/schedules/run-store';
import { readWatermark } from '@millrace/queue/schedules/schedule-store';
import type { Express } from 'express';
import request from 'supertest';
import type { Harness } from './harness.js';

export const NAME = 'nightly';

/** As a client sends it. */
export const SCHEDULE = {
  name: NAME,
  model: 'iris',
  source: { kind: 'file', path: 'in/{logical_date}.csv' },
  sink: { kind: 'file', path: 'out/{logical_date}.ndjson' },
  cron: '30 2 * * *',
  timezone: 'Europe/Berlin',
};

export interface Caller {
  get(path: string): request.Test;
  post(path: string, body?: object): request.Test;
  put(path: string, body: object): request.Test;
  patch(path: string, body: object): request.Test;
  delete(path: string): request.Test;
}

/** Calls paths below `/v1/schedules`. @param key of the client, where keys are needed */
export function callerOf(app: Express, key?: string): Caller {
  const as = (test: request.Test) => (key === undefined ? test : test.set('authorization', `Bearer ${key}`));
  const at = (path: string) => `/v1/schedules${path}`;
  return {
    get: (path) => as(request(app).get(at(path))),
    post: (path, body) => as(request(app).post(at(path))).send(body),
    put: (path, body) => as(request(app).put(at(path))).send(body),
    patch: (path, body) => as(request(app).patch(at(path))).send(body),
    delete: (path) => as(request(app).delete(at(path))),
  };
}

/** Makes the run of a date as the ticker does. */
export async function advance(
  { schedules, runs }: Harness,
  logicalDate: string,
  dueAt: number,
  status: 'waiting' | 'missed' = 'waiting',
): Promise<void> {
  const schedule = await schedules.read(NAME);
  if (schedule === undefined) throw new Error('the schedule is gone');
  const { at } = readWatermark(schedule.watermark);
  const due = [{ logicalDate, dueAt, status, trigger: 'schedule' as const }];
  if (!(await runs.advance(schedule, { at: at + 1 }, due, []))) throw new Error('the schedule has changed');
}

/** Begins a run as a scheduler process does. */
export async function begin({ runs }: Harness, logicalDate: string): Promise<RecordedRun> {
  const run = await runs.start(NAME, logicalDate);
  if (typeof run === 'string') throw new Error(`the run ${logicalDate}: ${run}`);
  return run;
}

/** Begins it and ends it. */
export async function finish(
  harness: Harness,
  logicalDate: string,
  end: Omit<RunEnd, 'alarms'> = { status: 'succeeded' },
): Promise<void> {
  await harness.runs.end(await begin(harness, logicalDate), { ...end, alarms: [] });
}
