import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startProcess } from '@millrace/local/platform-process';
import { freePort, startRedisServer } from '@millrace/local/redis-server';
import { expect, it } from 'vitest';
import { requireRedis } from '../fixtures/redis.js';

/** Nobody listens there, so a worker waits for Redis and is not ready. */
const nowhere = async () => ({
  ...process.env,
  REDIS_URL: `redis://127.0.0.1:${await freePort()}`,
  PORT: '0',
});

it.each(['SIGTERM', 'SIGINT'] as const)('a worker that still waits for Redis stops on %s', async (signal) => {
  let log = '';
  const waiting = new Promise<void>((resolve) => {
    const hear = (text: string) => {
      log += text;
      if (log.includes('waiting for it')) resolve();
    };
    nowhere().then((env) => {
      worker = startProcess('worker', env, hear);
    });
  });
  let worker: ReturnType<typeof startProcess> | undefined;
  await waiting;
  worker?.child.kill(signal);
  expect(await worker?.exited).toBe(0);
});

it('an API without Redis lives, is not ready, and says so', async () => {
  const api = startProcess('api', await nowhere(), () => {});
  const { port } = await api.ready;
  expect((await fetch(`http://127.0.0.1:${port}/healthz`)).status).toBe(200);
  const ready = await fetch(`http://127.0.0.1:${port}/readyz`);
  expect([ready.status, await ready.json()]).toEqual([
    503,
    { status: 'not_ready', problems: ['Redis does not answer'] },
  ]);
  expect(await api.stop()).toBe(0);
});

it('processes that started before Redis serve once it is there', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'millrace-late-'));
  const port = await freePort();
  const env = { ...process.env, REDIS_URL: `redis://127.0.0.1:${port}`, PORT: '0', WORKER_PORT: '0' };
  const api = startProcess('api', env, () => {});
  const { port: apiPort } = await api.ready;
  const refused = await submitOne(apiPort);
  expect([refused.status, ((await refused.json()) as { code: string }).code]).toEqual([
    503,
    'store_unavailable',
  ]);
  const worker = startProcess('worker', env, () => {});
  const redis = await startRedisServer({ binary: requireRedis(), directory, port });
  await worker.ready;
  const answer = await submitOne(apiPort);
  expect(await answer.json()).toMatchObject({ status: 'succeeded', predictions: [0] });
  expect(await Promise.all([api.stop(), worker.stop()])).toEqual([0, 0]);
  await redis.stop();
  rmSync(directory, { recursive: true });
});

function submitOne(port: number): Promise<Response> {
  return fetch(`http://127.0.0.1:${port}/batch-predict?model=iris`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', prefer: 'wait=30' },
    body: '[[5.1,3.5,1.4,0.2]]',
  });
}

it('a worker without a model takes nothing from those that have one, and is not ready', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'millrace-empty-'));
  const redis = await startRedisServer({ binary: requireRedis(), directory });
  const env = { ...process.env, REDIS_URL: redis.url, PORT: '0', WORKER_PORT: '0' };
  const empty = startProcess('worker', { ...env, MODELS_DIR: directory }, () => {});
  const { port: emptyPort } = await empty.ready;
  expect((await fetch(`http://127.0.0.1:${emptyPort}/readyz`)).status).toBe(503);
  const others = [startProcess('worker', env, () => {}), startProcess('api', env, () => {})] as const;
  const [, { port }] = await Promise.all([others[0].ready, others[1].ready]);
  const answers = await Promise.all(Array.from({ length: 20 }, () => submitOne(port)));
  for (const answer of answers) expect(await answer.json()).toMatchObject({ status: 'succeeded' });
  const metrics = await (await fetch(`http://127.0.0.1:${emptyPort}/metrics`)).text();
  expect(metrics).not.toContain('outcome="handed_back"');
  expect(await Promise.all([empty, ...others].map((each) => each.stop()))).toEqual([0, 0, 0]);
  await redis.stop();
  rmSync(directory, { recursive: true });
});

it('a setting that does not hold ends the start and is named', async () => {
  let log = '';
  const worker = startProcess('worker', { ...process.env, WORKER_THREADS: 'all' }, (text) => {
    log += text;
  });
  await expect(worker.ready).rejects.toThrow('ended with 1 before it was ready');
  expect(log).toContain('WORKER_THREADS=all: must be a whole number from 1 to 256');
});
