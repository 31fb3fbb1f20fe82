import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort, type RedisServer, startRedisServer } from '@millrace/local/redis-server';
import { DEFAULT_LIFETIMES, Keys } from '@millrace/queue/keys';
import { TaskIds } from '@millrace/queue/task-ids';
import request from 'supertest';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { requireRedis } from '../../../test/fixtures/redis.js';
import { newTask } from '../../../test/fixtures/task.js';
import { type Harness, IDS, startHarness } from './harness.js';

const DAY = 86_400_000;
const keys = new Keys('lost');
const directory = mkdtempSync(join(tmpdir(), 'millrace-lost-'));
let port: number;
let redis: RedisServer;
let harness: Harness;

beforeEach(async () => {
  port = await freePort();
  await startRedis();
  harness = await startHarness(redis.url, keys);
});
afterEach(async () => {
  await harness.stop();
  await redis.stop();
  rmSync(directory, { recursive: true });
});

async function startRedis(): Promise<void> {
  redis = await startRedisServer({ binary: requireRedis(), directory, port });
}
async function restartRedis(): Promise<void> {
  await redis.stop();
  await startRedis();
}

const get = (id: string) => request(harness.app).get(`/batch-result/${id}`);
const WAYS: [string, (id: string) => request.Test][] = [
  ['polled', get],
  ['cancelled', (id) => request(harness.app).post(`/batch-result/${id}/cancel`)],
  ['erased', (id) => request(harness.app).delete(`/batch-result/${id}`)],
  ['retried', (id) => request(harness.app).post(`/batch-result/${id}/retry`)],
];

describe('an id that was given out', () => {
  it.each(WAYS)('and of which Redis knows nothing is lost, when it is %s', async (_, ask) => {
    const { body } = await ask(IDS.create('anonymous')).expect(410);
    expect(body).toMatchObject({ code: 'task_lost' });
    expect(body.detail).toMatch(/^this task was submitted at 20.*, and Redis has lost it since/);
  });

  it.each(WAYS)('longer ago than records are kept has expired, when it is %s', async (_, ask) => {
    const kept = Math.min(DEFAULT_LIFETIMES.unfinishedMs, DEFAULT_LIFETIMES.recordMs);
    const old = new TaskIds('secret of the tests', () => Date.now() - kept - DAY).create('anonymous');
    expect((await ask(old).expect(410)).body.code).toBe('result_expired');
  });

  it.each([
    ['to another client', IDS.create('alice')],
    ['by another platform', new TaskIds('another secret').create('anonymous')],
  ])('%s is unknown', async (_, id) => {
    expect((await get(id).expect(404)).body.code).toBe('unknown_task');
  });
});

describe('a task that is being received', () => {
  const id = IDS.create('anonymous');
  const chunk = { index: 0, firstRow: 0, rows: 1, bytes: Buffer.from('1\n') };

  it('is there, for whoever knows its id', async () => {
    await harness.store.create(newTask({ id }));
    expect((await get(id).expect(200)).body.status).toBe('receiving');
  });

  it('is lost once Redis was restarted: that it was accepted may be what Redis has forgotten', async () => {
    await harness.store.create(newTask({ id }));
    await harness.store.append(id, chunk);
    await restartRedis();
    expect((await get(id).expect(410)).body.code).toBe('task_lost');
    await harness.store.abort(id, 'the API process that received it ended or fell silent');
    expect((await get(id).expect(410)).body.code).toBe('task_lost');
  });

  it('is accepted after a restart if all of it is there', async () => {
    await harness.store.create(newTask({ id }));
    await harness.store.append(id, chunk);
    await restartRedis();
    await harness.store.append(id, { ...chunk, index: 1, firstRow: 1 });
    expect(await harness.store.seal(id, 2)).toMatchObject({ status: 'pending', ledger: { total: 2 } });
    expect((await get(id).expect(200)).body.status).toBe('pending');
  });

  it('is not accepted if a chunk of it is lost', async () => {
    await harness.store.create(newTask({ id }));
    await harness.store.append(id, chunk);
    expect(await harness.store.seal(id, 2)).toBeUndefined();
    expect((await get(id).expect(200)).body.status).toBe('receiving');
  });
});
