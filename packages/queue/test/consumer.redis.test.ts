import { randomUUID } from 'node:crypto';
import { EventEmitter, once } from 'node:events';
import { ATTEMPTS } from '@millrace/queue/chunk-job';
import { connectForWork } from '@millrace/queue/connection';
import { type ChunkRun, Consumer, type RunOutcome } from '@millrace/queue/consumer';
import type { Keys } from '@millrace/queue/keys';
import { Producer } from '@millrace/queue/producer';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { useRedis } from '../../../test/fixtures/redis.js';

const redis = useRedis();
const SETTLED: RunOutcome = { kind: 'settled' };

let keys: Keys;
let producer: Producer;
/** What stops everything a test has started. */
let cleanups: (() => Promise<unknown>)[];

beforeEach(async () => {
  keys = redis.freshKeys();
  cleanups = [];
  const connection = connectForWork(redis.url);
  producer = new Producer(connection, keys, () => {});
  cleanups.push(
    () => producer.stop(),
    () => connection.quit(),
  );
});
afterEach(async () => {
  for (const cleanup of cleanups) await cleanup();
});

/** A consumer whose runs are decided by the test; each run is also an event. */
function consume(decide: (run: ChunkRun) => Promise<RunOutcome>, concurrency = 1) {
  const connection = connectForWork(redis.url);
  const runs = new EventEmitter();
  const released: ChunkRun[] = [];
  const seen: ChunkRun[] = [];
  const consumer = new Consumer({
    redis: connection,
    keys,
    pool: 'default',
    concurrency,
    lockMs: 1_000,
    run: (run) => {
      seen.push(run);
      runs.emit('run', run);
      return decide(run);
    },
    release: async (run) => void released.push(run),
    onError: () => {},
  });
  cleanups.unshift(() => consumer.stop(0).then(() => connection.quit()));
  /** Resolves once the consumer waits for work on its blocking connection. */
  const listening = async () => {
    while (!/cmd=bzpopmin/.test(String(await redis.redis.client('LIST')))) await new Promise(setImmediate);
  };
  return { consumer, runs, released, seen, listening };
}

async function untilEmpty(): Promise<void> {
  for (;;) {
    const { waiting, active, delayed } = await producer.depth('default');
    if (waiting + active + delayed === 0) return;
  }
}

it('runs the first chunk of every task before the second of any', async () => {
  for (const task of ['large', 'small']) {
    for (let chunk = 0; chunk < (task === 'large' ? 3 : 1); chunk++)
      await producer.add('default', { task, chunk });
  }
  const { consumer, seen } = consume(async () => SETTLED);
  consumer.start();
  await untilEmpty();
  expect(seen.map(({ task, chunk }) => `${task} ${chunk}`)).toEqual([
    'large 0',
    'small 0',
    'large 1',
    'large 2',
  ]);
});

it('leaves no job behind', async () => {
  for (let chunk = 0; chunk < 5; chunk++) await producer.add('default', { task: randomUUID(), chunk });
  const { consumer } = consume(async () => SETTLED);
  consumer.start();
  await untilEmpty();
  await consumer.stop(1_000);
  const left = await redis.keysUnder(keys.prefix);
  expect(left.filter((key) => !/:(meta|id|events|marker|pc|stalled-check)$/.test(key))).toEqual([]);
});

it('adds a chunk once, however often it is asked to', async () => {
  for (let again = 0; again < 3; again++) await producer.add('default', { task: 'task', chunk: 0 });
  expect(await producer.depth('default')).toEqual({ waiting: 1, active: 0, delayed: 0 });
});

it('tries a chunk that failed again, and says when it is for the last time', async () => {
  await producer.add('default', { task: 'task', chunk: 0 });
  const { consumer, seen, released } = consume(async (run) =>
    run.isLastAttempt ? SETTLED : { kind: 'retry', reason: 'no luck' },
  );
  consumer.start();
  await untilEmpty();
  expect(seen.map((run) => run.isLastAttempt)).toEqual([...Array(ATTEMPTS - 1).fill(false), true]);
  expect(released.length).toBe(ATTEMPTS - 1);
});

it('offers a chunk that was handed back again, without counting an attempt', async () => {
  await producer.add('default', { task: 'task', chunk: 0 });
  const handBacks = ATTEMPTS + 2;
  let runs = 0;
  const { consumer, seen } = consume(async () =>
    ++runs > handBacks ? SETTLED : { kind: 'hand_back', afterMs: 1 },
  );
  consumer.start();
  await untilEmpty();
  expect(seen.map((run) => run.isLastAttempt)).toEqual(Array(handBacks + 1).fill(false));
});

it('offers a chunk that exceeded its time limit again as a suspect, at once and without counting an attempt', async () => {
  await producer.add('default', { task: 'task', chunk: 0 });
  let runs = 0;
  const { consumer, seen, released } = consume(async () => (++runs === 1 ? { kind: 'suspect' } : SETTLED));
  consumer.start();
  await untilEmpty();
  const chunk = { task: 'task', chunk: 0, isLastAttempt: false, stalls: 0 };
  expect(seen).toMatchObject([
    { ...chunk, isSuspect: false, starts: 1 },
    { ...chunk, isSuspect: true, starts: 2 },
  ]);
  expect(released.length).toBe(1);
});

it('keeps a suspect chunk one when it is handed back', async () => {
  await producer.add('default', { task: 'task', chunk: 0 });
  const outcomes: RunOutcome[] = [{ kind: 'suspect' }, { kind: 'hand_back', afterMs: 1 }, SETTLED];
  const { consumer, seen } = consume(async () => outcomes.shift() ?? SETTLED);
  consumer.start();
  await untilEmpty();
  expect(seen.map(({ isSuspect }) => isSuspect)).toEqual([false, true, true]);
});

it('lets a run finish when it is stopped', async () => {
  await producer.add('default', { task: 'task', chunk: 0 });
  let finish = (_: RunOutcome) => {};
  const { consumer, runs, released } = consume(
    () =>
      new Promise((resolve) => {
        finish = resolve;
      }),
  );
  const started = once(runs, 'run');
  consumer.start();
  await started;
  const stopped = consumer.stop(30_000);
  finish(SETTLED);
  await stopped;
  expect(released).toEqual([]);
  expect(await producer.depth('default')).toEqual({ waiting: 0, active: 0, delayed: 0 });
});

it('hands back what does not finish in time, for another worker to take', async () => {
  await producer.add('default', { task: 'task', chunk: 0 });
  await producer.add('default', { task: 'task', chunk: 1 });
  const stuck = consume(() => new Promise(() => {}));
  const started = once(stuck.runs, 'run');
  stuck.consumer.start();
  await started;
  await stuck.consumer.stop(0);
  expect(stuck.released.map((run) => run.chunk)).toEqual([0]);
  expect(await producer.depth('default')).toEqual({ waiting: 1, active: 0, delayed: 1 });
  const other = consume(async () => SETTLED);
  other.consumer.start();
  await untilEmpty();
  expect(other.seen).toMatchObject([{ chunk: 0, stalls: 0, isLastAttempt: false }, { chunk: 1 }]);
});

it('wakes an idle worker with what another one hands back', async () => {
  const stuck = consume(() => new Promise(() => {}));
  const started = once(stuck.runs, 'run');
  stuck.consumer.start();
  await producer.add('default', { task: 'task', chunk: 0 });
  await started;
  const idle = consume(async () => SETTLED);
  const woken = once(idle.runs, 'run', { signal: AbortSignal.timeout(2_000) });
  idle.consumer.start();
  await idle.listening();
  await stuck.consumer.stop(0);
  expect(await woken).toMatchObject([{ task: 'task', chunk: 0 }]);
});

it('tells a run that it was handed back', async () => {
  await producer.add('default', { task: 'task', chunk: 0 });
  const stuck = consume(() => new Promise(() => {}));
  const started = once(stuck.runs, 'run');
  stuck.consumer.start();
  await started;
  expect(stuck.seen[0]?.handedBack.aborted).toBe(false);
  await stuck.consumer.stop(0);
  expect(stuck.seen[0]?.handedBack.aborted).toBe(true);
});

it('hands back even what arrives while it is being stopped', async () => {
  for (let chunk = 0; chunk < 50; chunk++) await producer.add('default', { task: 'task', chunk });
  let runs = 0;
  let stopped: Promise<void> | undefined;
  const { consumer, released } = consume(async () => {
    if (++runs < 2) return SETTLED;
    stopped ??= consumer.stop(100);
    return new Promise(() => {});
  }, 4);
  const closing = new Promise<void>((resolve) => {
    const look = () => (stopped === undefined ? setImmediate(look) : resolve(stopped));
    look();
  });
  consumer.start();
  await closing;
  const { waiting, active, delayed } = await producer.depth('default');
  expect(active).toBe(0);
  expect(waiting + delayed).toBe(49);
  expect(released.length).toBe(delayed);
});
