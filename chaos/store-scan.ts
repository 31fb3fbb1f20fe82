/** Reads all that Redis holds of the platform, as far as its rules are to be checked. */
import { errorsOf } from '@millrace/batch/results/read-chunk';
import { isRetryable } from '@millrace/batch/retry';
import type { Keys } from '@millrace/queue/keys';
import type { Redis } from 'ioredis';

export interface StoredTask {
  id: string;
  /** The fields of its record; empty when there is none. */
  record: Record<string, string>;
  /** The states of its chunks, by index. */
  chunks: Map<number, string>;
  inputs: number[];
  outputs: number[];
  /** Chunks with results of rows that failed. */
  failed: number[];
}

export interface StoredJob {
  task: string;
  chunk: number;
  /** Where BullMQ has it, for example `active`. */
  places: string[];
}

export interface StoreScan {
  tasks: Map<string, StoredTask>;
  jobs: StoredJob[];
  /** Jobs that the queue has given up. */
  failedJobs: string[];
  /** Keys without a lifetime. */
  everlasting: string[];
}

const SCAN_COUNT = '1000';
const TASK_KEY = /^[^{]*\{([^{}]+)\}:(task|chunks|in:(\d+)|out:(\d+))$/;
const JOB_ID = /^(.+)\.(\d+)$/;
const QUEUE_LISTS = ['wait', 'active', 'paused'];
const QUEUE_SETS = ['prioritized', 'delayed', 'failed', 'completed', 'waiting-children'];

/** @param pool whose queue is looked at */
export async function scanStore(redis: Redis, keys: Keys, pool: string): Promise<StoreScan> {
  const names = await allKeys(redis);
  const lifetimes = await Promise.all(names.map((name) => redis.pttl(name)));
  const tasks = new Map<string, StoredTask>();
  for (const name of names) {
    const [, id, kind, input, output] = TASK_KEY.exec(name) ?? [];
    if (id === undefined) continue;
    const task: StoredTask = tasks.get(id) ?? emptyTask(id);
    tasks.set(id, task);
    if (input !== undefined) task.inputs.push(Number(input));
    else if (output !== undefined) {
      task.outputs.push(Number(output));
      if (await hasFailedRows(redis, name)) task.failed.push(Number(output));
    } else if (kind === 'task') task.record = await redis.hgetall(name);
    else
      for (const [index, entry] of Object.entries(await redis.hgetall(name))) {
        // Beside the chunks there are examples of errors, and what retries note.
        if (/^\d+$/.test(index)) task.chunks.set(Number(index), entry.split(' ')[0] as string);
      }
  }
  return {
    tasks,
    ...(await scanQueue(redis, names, `${keys.queuePrefix}:${pool}:`)),
    everlasting: names.filter((_, index) => lifetimes[index] === -1),
  };
}

function emptyTask(id: string): StoredTask {
  return { id, record: {}, chunks: new Map(), inputs: [], outputs: [], failed: [] };
}

async function hasFailedRows(redis: Redis, output: string): Promise<boolean> {
  const errors = await redis.hget(output, 'errors');
  return errorsOf(errors === null ? {} : { errors: Buffer.from(errors) }).some(({ code }) =>
    isRetryable(code),
  );
}

async function scanQueue(
  redis: Redis,
  names: readonly string[],
  prefix: string,
): Promise<Pick<StoreScan, 'jobs' | 'failedJobs'>> {
  const places = new Map<string, string[]>();
  const found = await Promise.all([
    ...QUEUE_LISTS.map(async (place) => [place, await redis.lrange(prefix + place, '0', '-1')] as const),
    ...QUEUE_SETS.map(async (place) => [place, await redis.zrange(prefix + place, '0', '-1')] as const),
  ]);
  for (const [place, ids] of found) for (const id of ids) places.set(id, [...(places.get(id) ?? []), place]);
  for (const name of names) {
    const id = name.slice(prefix.length);
    if (name.startsWith(prefix) && JOB_ID.test(id)) places.set(id, [...(places.get(id) ?? []), 'hash']);
  }
  const jobs = [...places].flatMap(([id, each]): StoredJob[] => {
    const [, task, chunk] = JOB_ID.exec(id) ?? [];
    return task === undefined ? [] : [{ task, chunk: Number(chunk), places: each }];
  });
  const failedJobs = [...places].filter(([, each]) => each.includes('failed')).map(([id]) => id);
  return { jobs, failedJobs };
}

async function allKeys(redis: Redis): Promise<string[]> {
  const names = new Set<string>();
  let cursor = '0';
  do {
    const [next, some] = await redis.scan(cursor, 'COUNT', SCAN_COUNT);
    for (const name of some) names.add(name);
    cursor = next;
  } while (cursor !== '0');
  return [...names].sort();
}
