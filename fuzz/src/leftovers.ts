/** What must hold when the last request has been answered: every task finished, nothing kept for good, nothing leaked. */
import { isTerminal } from '@millrace/batch/status';
import type { Task } from '@millrace/batch/task';
import { Keys } from '@millrace/queue/keys';
import { TaskStore } from '@millrace/queue/task-store';
import type { Redis } from 'ioredis';
import { until } from '../../test/fixtures/until.js';
import { type Held, KEY_PREFIX, type Platform } from './platform.js';

/** How long the platform may take to come to rest. */
const REST_MS = 60_000;
/** A process may hold so many times what it held after the warm-up, and so much more. */
const GROWTH = 2;
const GROWTH_BYTES = 150 * 1024 * 1024;
const GROWTH_FILES = 10;
/** BullMQ has these for each queue, and they do not grow. */
const KEPT_FOR_GOOD = /:queue\}:[a-z0-9_-]+:(meta|id|marker|pc|events)$/;

/** Tries until there are no problems left, or it has taken too long. */
function atRest(find: () => Promise<string[]>): Promise<string[]> {
  const endsAt = Date.now() + REST_MS;
  return until(async () => {
    const problems = await find();
    return problems.length === 0 || Date.now() > endsAt ? problems : undefined;
  });
}

/** @param tasks ids that were given out, with the rows of those that are known */
export async function leftovers(
  platform: Platform,
  tasks: ReadonlyMap<string, number | undefined>,
  warm: ReadonlyMap<string, Held>,
): Promise<string[]> {
  const { redis } = platform;
  return [
    ...platform.ended.map((name) => `the ${name} process has ended`),
    ...(await atRest(() => taskProblems(redis, tasks))),
    ...(await atRest(() => keyProblems(redis))),
    ...(await atRest(async () => growth(warm, await platform.held()))),
  ];
}

async function keysOf(redis: Redis): Promise<string[]> {
  const found = new Set<string>();
  for (let cursor = '0'; ; ) {
    const [next, keys] = await redis.scan(cursor, 'COUNT', 1_000);
    for (const key of keys) found.add(key);
    if (next === '0') return [...found];
    cursor = next;
  }
}

/** Of all tasks that have a record, those that nobody was told of among them. */
async function taskProblems(redis: Redis, tasks: ReadonlyMap<string, number | undefined>): Promise<string[]> {
  const store = new TaskStore(redis, new Keys(KEY_PREFIX));
  const recorded = (await keysOf(redis)).flatMap((key) => /\{([^{}]+)\}:task$/.exec(key)?.[1] ?? []);
  const problems: string[] = [];
  for (const id of new Set([...recorded, ...tasks.keys()])) {
    const task = await store.read(id);
    const problem = task === undefined ? 'has no record' : taskProblem(task, tasks.get(id));
    if (problem !== undefined) problems.push(`task ${id} ${problem}`);
  }
  return problems;
}

function taskProblem({ status, ledger }: Task, rows: number | undefined): string | undefined {
  const { total, ...outcomes } = ledger;
  const sum = Object.values(outcomes).reduce((a, b) => a + b, 0);
  if (!isTerminal(status)) return `is ${status}`;
  if (sum !== total || ledger.pending > 0 || ledger.running > 0) return `ends with ${JSON.stringify(ledger)}`;
  return rows === undefined || rows === total ? undefined : `had ${rows} rows and ends with ${total}`;
}

async function keyProblems(redis: Redis): Promise<string[]> {
  const problems: string[] = [];
  for (const key of await keysOf(redis)) {
    if (KEPT_FOR_GOOD.test(key)) continue;
    if ((await redis.pttl(key)) === -1) problems.push(`the key ${key} has no lifetime`);
    else if (/\}:in:\d+$/.test(key)) problems.push(`the input ${key} is kept`);
  }
  return problems;
}

function growth(warm: ReadonlyMap<string, Held>, now: ReadonlyMap<string, Held>): string[] {
  return [...now].flatMap(([name, { bytes, files }]) => {
    const before = warm.get(name);
    if (before === undefined) return [];
    const problems: string[] = [];
    if (bytes > before.bytes * GROWTH + GROWTH_BYTES)
      problems.push(`the ${name} has grown from ${before.bytes} to ${bytes} bytes`);
    if (files !== undefined && before.files !== undefined && files > before.files + GROWTH_FILES) {
      problems.push(`the ${name} has ${files} open files, and had ${before.files}`);
    }
    return problems;
  });
}
