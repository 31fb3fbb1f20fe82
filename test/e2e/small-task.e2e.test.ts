/** What a small task costs in commands to Redis: each is a part of its latency, and of what a core does in a second. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { commandName } from '../fixtures/command-names.js';
import { TestPlatform } from '../fixtures/platform.js';

const directory = mkdtempSync(join(tmpdir(), 'millrace-small-task-'));
const TEN_ROWS = JSON.stringify(new Array(10).fill([5.1, 3.5, 1.4, 0.2]));
/** Of the API and the worker together, in the order of a task. ARCHITECTURE.md says which goes when. */
const COMMANDS = [
  'addUnfinished',
  'createWhole',
  'bullmq addPrioritizedJob',
  'begin',
  'commit',
  'hgetall task',
  'hget chunks',
  'hmget out',
  'bullmq moveToFinished',
  'addResults',
  'zrem unfinished',
];
let platform: TestPlatform;
let monitor: Redis;

beforeAll(async () => {
  platform = await TestPlatform.start(directory, 1, { WORKER_THREADS: '1' });
  await predict();
  monitor = await (platform.look as Redis).monitor();
});
afterAll(async () => {
  monitor.disconnect();
  await platform.stop();
  rmSync(directory, { recursive: true });
});

async function predict(): Promise<{ task_id: string; predictions: number[] }> {
  const response = await fetch(`${platform.url}/batch-predict?model=iris`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', prefer: 'wait=30' },
    body: TEN_ROWS,
  });
  expect(response.status).toBe(200);
  return JSON.parse(await response.text());
}

it('is eleven commands, and one look into the queue', async () => {
  const heard: { name: string; words: string[] }[] = [];
  monitor.on('monitor', (_time: string, words: string[], source: string) => {
    if (source !== 'lua') heard.push({ name: commandName(words, platform.keys), words });
  });
  const { task_id: id, predictions } = await predict();
  expect(predictions).toEqual(new Array(10).fill(0));
  // What goes on once the client has its answer.
  const last = ['zrem unfinished', 'bullmq moveToFinished'];
  await vi.waitFor(() => expect(heard.map(({ name }) => name)).toEqual(expect.arrayContaining(last)));
  const ofTask = heard.filter(({ words }) => words.some((word) => word.includes(id)));
  expect(ofTask.map(({ name }) => name).sort()).toEqual([...COMMANDS].sort());
  expect(heard.map(({ name }) => name)).toContain('bullmq moveToActive');
});
