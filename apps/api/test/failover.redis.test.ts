/** A replica that has missed what its master took last, and is the master then. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type RedisServer, startRedisServer } from '@millrace/local/redis-server';
import { Keys } from '@millrace/queue/keys';
import { Redis } from 'ioredis';
import request from 'supertest';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { requireRedis } from '../../../test/fixtures/redis.js';
import { follow, REPLICATION_SETTINGS } from '../../../test/fixtures/redis-replication.js';
import { newTask } from '../../../test/fixtures/task.js';
import { all, workOff } from '../../../test/fixtures/worked-off.js';
import { type Harness, IDS, startHarness } from './harness.js';
import { submitRows } from './numbered-rows.js';

const keys = new Keys('failover');
let directory: string;
let master: RedisServer;
let replica: RedisServer;
let look: Redis;
let harness: Harness;

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'millrace-failover-'));
  [master, replica] = await Promise.all([startServer('master'), startServer('replica')]);
  await follow(replica, master);
  look = new Redis(replica.url);
  harness = await startHarness(master.url, keys);
});
afterEach(async () => {
  await harness.stop();
  look.disconnect();
  await Promise.all([master.stop(), replica.stop()]);
  rmSync(directory, { recursive: true });
});

function startServer(name: string): Promise<RedisServer> {
  const settings = REPLICATION_SETTINGS;
  return startRedisServer({ binary: requireRedis(), directory: join(directory, name), settings });
}

/** Resolves when the replica has a task with this status. */
async function hasReplicated(id: string, status: string): Promise<void> {
  await expect.poll(() => look.hget(keys.task(id), 'status')).toBe(status);
}

/** From now on the replica hears nothing of its master, and is one itself. */
async function cutOff(): Promise<void> {
  await look.replicaof('NO', 'ONE');
}

/** The platform goes on with what was the replica. */
async function failOver(): Promise<void> {
  await harness.stop();
  await master.stop();
  harness = await startHarness(replica.url, keys);
}

const get = (id: string) => request(harness.app).get(`/batch-result/${id}`);

it('a task that it has is there, and is finished; one that it has missed is lost', async () => {
  const replicated = await submitRows(harness, 3);
  await hasReplicated(replicated, 'pending');
  await cutOff();
  const missed = await submitRows(harness, 3);
  await get(missed).expect(200);
  await failOver();
  expect((await get(missed).expect(410)).body.code).toBe('task_lost');
  expect((await get(replicated).expect(200)).body).toMatchObject({ status: 'pending', rows: { total: 3 } });
  await workOff(harness.store, replicated, all('predicted'));
  expect((await get(replicated).expect(200)).body).toMatchObject({ status: 'succeeded' });
});

it('a task of which it has missed only that it was accepted is lost, too', async () => {
  const id = IDS.create('anonymous');
  await harness.store.create(newTask({ id }));
  await harness.store.append(id, { index: 0, firstRow: 0, rows: 1, bytes: Buffer.from('1\n') });
  await hasReplicated(id, 'receiving');
  await cutOff();
  await harness.store.seal(id, 1);
  expect((await get(id).expect(200)).body.status).toBe('pending');
  await failOver();
  expect((await get(id).expect(410)).body.code).toBe('task_lost');
});
