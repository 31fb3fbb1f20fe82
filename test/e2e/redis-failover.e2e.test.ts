/** The platform on a Redis that survives the loss of its master: what was accepted is finished, and everybody goes on by themselves. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { irisRows, toNdjson } from '../fixtures/iris.js';
import { type TaskAnswer, TestPlatform } from '../fixtures/platform.js';
import { RedisCluster } from '../fixtures/redis-cluster.js';
import { killMaster } from '../fixtures/redis-replication.js';
import { RedisSentinel } from '../fixtures/redis-sentinel.js';

const TASKS = 4;
const ROWS = irisRows(100_000);
const NDJSON = toNdjson(ROWS);
/** A request that is neither accepted nor refused by then hangs. */
const ANSWER_MS = 20_000;

it('the master that Sentinels watch is killed in the middle', async () => {
  const sentinel = await RedisSentinel.start(folder());
  onTestFinished(() => sentinel.stop());
  const platform = await startPlatform(sentinel.url);
  await surviveTheLoss(platform, () => killMaster(sentinel.master));
});

it('the master of a cluster that has the queue is killed in the middle', async () => {
  const cluster = await RedisCluster.start(folder());
  onTestFinished(() => cluster.stop());
  const platform = await startPlatform(cluster.url);
  const victim = await cluster.masterOf(platform.keys.queuePrefix);
  await surviveTheLoss(platform, () => killMaster(victim));
});

function folder(): string {
  const directory = mkdtempSync(join(tmpdir(), 'millrace-failover-'));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  return directory;
}

async function startPlatform(redisUrl: string): Promise<TestPlatform> {
  const platform = await TestPlatform.on(redisUrl, 2, { LOCK_MS: '1000' });
  onTestFinished(async () => void (await platform.stop()));
  return platform;
}

async function surviveTheLoss(platform: TestPlatform, killTheMaster: () => Promise<void>): Promise<void> {
  const workers = platform.liveWorkers;
  const undisturbed = await platform.finished(await submit(platform));
  expect(undisturbed.rows).toMatchObject({ total: ROWS.length, succeeded: ROWS.length });

  const ids: string[] = [];
  for (let index = 0; index < TASKS; index++) ids.push(await submit(platform));
  await killTheMaster();
  const killedAt = Date.now();
  const { refusals, id } = await submitUntilAccepted(platform);
  expect(refusals).toBeGreaterThan(0);

  const answers: TaskAnswer[] = [];
  for (const each of [...ids, id]) answers.push(await platform.finished(each));
  for (const answer of answers) {
    expect(answer).toMatchObject({ status: 'succeeded', errors: [] });
    expect(isSame(answer, undisturbed)).toBe(true);
  }
  // It was in the middle: not all that was accepted before was finished by then.
  const finishedAt = answers.slice(0, TASKS).map((answer) => Date.parse(answer.finished_at));
  expect(Math.max(...finishedAt)).toBeGreaterThan(killedAt);
  expect(platform.liveWorkers).toEqual(workers);
  expect(await platform.stop()).toEqual([0, 0, 0]);
}

function submit(platform: TestPlatform): Promise<string> {
  return platform.submit('/batch-predict?model=iris', 'application/x-ndjson', NDJSON);
}

/** The same rows, again and again; whatever is not accepted is a 503. */
async function submitUntilAccepted({ url }: TestPlatform): Promise<{ refusals: number; id: string }> {
  for (let refusals = 0; ; refusals++) {
    const response = await fetch(`${url}/batch-predict?model=iris`, {
      method: 'POST',
      headers: { 'content-type': 'application/x-ndjson' },
      body: NDJSON,
      signal: AbortSignal.timeout(ANSWER_MS),
    });
    const answer = (await response.json()) as { code?: string; task_id: string };
    if (response.status === 202) return { refusals, id: answer.task_id };
    expect([response.status, answer.code]).toEqual([503, 'store_unavailable']);
  }
}

/** A difference of a hundred thousand rows helps nobody. */
function isSame(a: TaskAnswer, b: TaskAnswer): boolean {
  return (
    a.predictions.length === b.predictions.length &&
    a.predictions.every((each, row) => each === b.predictions[row])
  );
}
