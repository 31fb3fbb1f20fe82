import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { RedisServer } from '@millrace/local/redis-server';
import { ClaimStore } from '@millrace/queue/claim-store';
import {
  connectForCache,
  connectForRequests,
  connectForWork,
  masters,
  type RedisConnection,
} from '@millrace/queue/connection';
import { Consumer } from '@millrace/queue/consumer';
import { FinishedEvents } from '@millrace/queue/finished-events';
import { Keys } from '@millrace/queue/keys';
import { readLoad } from '@millrace/queue/load';
import { watchOutages } from '@millrace/queue/outages';
import { packValues, unpackValues } from '@millrace/queue/packed-values';
import { PredictionCache } from '@millrace/queue/prediction-cache';
import { Producer } from '@millrace/queue/producer';
import { type Mend, Reaper } from '@millrace/queue/reaper';
import { newAlarm } from '@millrace/queue/schedules/alarm';
import { AlarmStore } from '@millrace/queue/schedules/alarm-store';
import type { RecordedRun, RecordedSchedule } from '@millrace/queue/schedules/run-record';
import { RunStore } from '@millrace/queue/schedules/run-store';
import { ScheduleStore } from '@millrace/queue/schedules/schedule-store';
import { serverProblems } from '@millrace/queue/server-problems';
import { type NewTask, TaskStore } from '@millrace/queue/task-store';
import { parseSchedule } from '@millrace/schedule/schedule';
import { type Cluster, Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, expect, it, onTestFinished } from 'vitest';
import { RedisCluster } from '../../../test/fixtures/redis-cluster.js';
import { killMaster } from '../../../test/fixtures/redis-replication.js';
import { newTask as newRecord } from '../../../test/fixtures/task.js';

const directory = mkdtempSync(join(tmpdir(), 'millrace-cluster-'));
const TASKS = Array.from({ length: 12 }, (_, index) => `task-${index}`);
const CHUNKS = 3;
const ROWS = 2;
let cluster: RedisCluster;
let requests: RedisConnection;
let work: RedisConnection;

beforeAll(async () => {
  cluster = await RedisCluster.start(directory);
});
afterAll(async () => {
  await cluster.stop();
  rmSync(directory, { recursive: true });
});
beforeEach(() => {
  requests = opened(connectForRequests(cluster.url));
  work = opened(connectForWork(cluster.url));
});

function opened(connection: RedisConnection): RedisConnection {
  watchOutages(connection, { lost: () => {}, back: () => {} });
  onTestFinished(() => connection.disconnect());
  return connection;
}

const newTask = (id: string): NewTask => newRecord({ id, client: 'alice', fingerprint: 'f' });

async function submit(store: TaskStore, producer: Producer, id: string): Promise<void> {
  await store.create(newTask(id));
  for (let index = 0; index < CHUNKS; index++) {
    const bytes = Buffer.from(`${id} ${index}`);
    await store.append(id, { index, firstRow: index * ROWS, rows: ROWS, bytes });
    await producer.add('default', { task: id, chunk: index });
  }
  await store.seal(id, CHUNKS);
}

/** A worker that gives every chunk its own bytes back as its result. */
function startConsumer(keys: Keys): Consumer {
  const store = new TaskStore(work, keys);
  const consumer = new Consumer({
    redis: work,
    keys,
    pool: 'default',
    concurrency: 4,
    lockMs: 1_000,
    async run({ task, chunk }) {
      const begun = await store.begin(task, chunk, ['iris@1 f']);
      if (begun.kind !== 'started') return { kind: 'settled' };
      const counts = { succeeded: ROWS, invalid: 0, failed: 0 };
      await store.commit(task, chunk, { counts, segments: { lines: begun.chunk.bytes as Buffer } });
      return { kind: 'settled' };
    },
    release: (run) => store.release(run.task, run.chunk),
    onError: () => {},
  });
  consumer.start();
  return consumer;
}

/** Which of the masters hold a key that has this in its name. */
async function holders(text: string): Promise<number[]> {
  const found = await Promise.all(masters(requests).map((node) => node.keys(`*${text}*`)));
  return found.flatMap((names, index) => (names.length > 0 ? [index] : []));
}

it('schedules and their runs are spread over the nodes, each with its own on one', async () => {
  const keys = new Keys('scheduled');
  const now = Date.now();
  const [schedules, runs, alarms] = [
    new ScheduleStore(requests, keys),
    new RunStore(requests, keys),
    new AlarmStore(requests, keys),
  ];
  for (const name of TASKS) {
    const definition = parseSchedule({
      name,
      model: 'iris',
      source: { kind: 'file', path: 'in.csv' },
      sink: { kind: 'file', path: 'out.csv' },
      cron: '0 2 * * *',
    });
    expect(await schedules.put({ definition, client: definition.client }, 'create')).toBe('created');
    const schedule = (await schedules.read(name)) as RecordedSchedule;
    const due = [
      { logicalDate: '2026-11-20', dueAt: now, status: 'waiting' as const, trigger: 'schedule' as const },
    ];
    const alarm = newAlarm(
      { type: 'run.late', schedule: name, logical_date: '2026-11-20', message: '', details: {} },
      now,
    );
    expect(await runs.advance(schedule, { at: now }, due, [alarm])).toEqual(['waiting']);
    const run = (await runs.start(name, '2026-11-20')) as RecordedRun;
    expect(await runs.end(run, { status: 'succeeded', alarms: [] })).toBe(true);
    await alarms.drain(name, async (each) => expect(each).toEqual(alarm));
    expect(await holders(`{schedule-${name}}`)).toHaveLength(1);
  }
  expect((await schedules.list()).map(({ definition }) => definition.name)).toEqual([...TASKS].sort());
  expect(await holders('{schedule-')).toHaveLength(masters(requests).length);
});

it('the predictions of a version are kept on one node, and the older ones dropped', async () => {
  let now = 0;
  const connect = () => connectForCache(cluster.url);
  const cache = new PredictionCache({ connect, keys: new Keys('cached'), onError: () => {}, now: () => now });
  onTestFinished(() => cache.stop());
  const values = ['a', 'b', 'c', 'd', 'e'].map((text) => Buffer.from(text));
  const entries = {
    keys: Buffer.concat(values.map((value) => Buffer.alloc(16, value))),
    values: packValues(values),
  };
  for (const pin of ['iris@1 f1', 'iris@1 f2', 'iris@2 f1', 'income@1 f3']) {
    const store = () => {
      now += 5_000;
      return cache.store(pin, { rows: 4, ttl_seconds: 60 }, [entries]);
    };
    await expect.poll(store, { timeout: 20_000 }).toBe(values.length);
    const look = async () => {
      now += 5_000;
      const found = (await cache.look(pin, entries.keys))?.flatMap(unpackValues);
      return [found?.[0], found?.[3], found?.[4]].map((value) => value && String(value));
    };
    await expect.poll(look, { timeout: 20_000 }).toEqual([undefined, 'd', 'e']);
  }
});

it('the reaper finds what is wrong on every node', async () => {
  const keys = new Keys('reaped');
  const store = new TaskStore(requests, keys);
  const producer = new Producer(requests, keys, () => {});
  for (const id of TASKS) await submit(store, producer, id);
  // What the node with the queue has lost with its last moment, and keys on all of them.
  for (const task of TASKS) await producer.removeOne('default', { task, chunk: 1 });
  for (const id of TASKS) await requests.persist(keys.task(id));
  const mended: Mend[] = [];
  const reaper = new Reaper({
    redis: work,
    keys,
    store: new TaskStore(work, keys),
    id: 'reaper',
    intervalMs: 60_000,
    maxResultBytes: 0,
    onMend: (what) => mended.push(what),
    onExpire: () => {},
    onError: () => {},
  });
  while (mended.length < 2 * TASKS.length) await reaper.reap();
  expect(mended.toSorted()).toEqual([...TASKS.map(() => 'chunk'), ...TASKS.map(() => 'lifetime')]);
  expect(await producer.depth('default')).toMatchObject({ waiting: TASKS.length * CHUNKS });
  expect(await readLoad(requests, keys, store.index)).toEqual(
    new Map([['alice', { rows: TASKS.length * CHUNKS * ROWS, bytes: expect.any(Number) }]]),
  );
  await Promise.all([reaper.stop(), producer.stop()]);
});

it('a task is on one node, tasks are spread over the nodes, and all are run', async () => {
  const keys = new Keys('spread');
  const store = new TaskStore(requests, keys);
  const producer = new Producer(requests, keys, () => {});
  const events = await listen(keys);
  const allFinished = Promise.all(TASKS.map((id) => finished(events, id)));
  const consumer = startConsumer(keys);
  for (const id of TASKS) await submit(store, producer, id);
  await allFinished;
  await consumer.stop(60_000);
  await producer.stop();

  for (const id of TASKS) {
    expect(await store.read(id)).toMatchObject({ status: 'succeeded', ledger: { succeeded: CHUNKS * ROWS } });
    expect(String((await store.readSegments(id, 1))?.lines)).toBe(`${id} 1`);
  }
  const homes = await Promise.all(TASKS.map((id) => holders(`{${id}}`)));
  expect(homes.filter((nodes) => nodes.length !== 1)).toEqual([]);
  expect(new Set(homes.flat()).size).toBe(3);
  expect(await holders(keys.queuePrefix)).toHaveLength(1);
});

it('an idempotency key is on one node, and may be on another one than its task', async () => {
  const keys = new Keys('claims');
  const store = new TaskStore(requests, keys);
  const claims = new ClaimStore(requests, keys, store, { leaseMs: 60_000, keptMs: 60_000 });
  for (const task of TASKS) {
    const claim = { client: 'alice', key: `key of ${task}`, task };
    expect(await claims.claim(claim)).toEqual({ kind: 'claimed' });
    await store.create(newTask(task));
    expect(await claims.hold(claim, 'fingerprint')).toBe(true);
    await store.seal(task, 0);
    expect(await claims.answer(claim)).toBe(true);
    expect(await claims.claim({ ...claim, task: 'another' })).toMatchObject({
      kind: 'answered',
      task: { id: task },
    });
  }
});

it('commands of one turn go out together, to each master', async () => {
  const set = () => TASKS.map((id) => requests.set(`${id}:together`, id));
  // Each is connected to when it is first needed.
  await Promise.all(set());
  const answers = set();
  const corked = () => masters(requests).filter(({ stream }) => stream.writableCorked > 0).length;
  expect(corked()).toBe(masters(requests).length);
  expect(new Set(await Promise.all(answers))).toEqual(new Set(['OK']));
  expect(corked()).toBe(0);
});

it('a problem is that of the master that has it', async () => {
  expect(await serverProblems(requests)).toEqual([]);
  const node = masters(requests)[1] as Redis;
  await node.config('SET', 'maxmemory-policy', 'allkeys-lru');
  expect(await serverProblems(requests)).toEqual([
    `Redis at 127.0.0.1:${node.options.port} would evict tasks: set maxmemory-policy to noeviction (it is allkeys-lru)`,
  ]);
  await node.config('SET', 'maxmemory-policy', 'noeviction');
});

it('a connection that has ended stays so when its nodes close one after the other, and a copy of it, too', async () => {
  const copy = (work as Cluster).duplicate();
  for (const connection of [work as Cluster, copy]) {
    await serverProblems(connection);
    const closed = masters(connection).map((node) => once(node, 'end'));
    connection.disconnect();
    await Promise.all([once(connection, 'end'), ...closed]);
    await new Promise(setImmediate);
    expect(connection.status).toBe('end');
  }
});

it('when a master is killed, a worker waits for its replica, and events are heard again', async () => {
  const keys = new Keys('killed');
  const [id = ''] = TASKS;
  const victim = await cluster.masterOf(keys.task(id));
  const listeners = [await listen(keys)];
  while (!(await hasSubscriber(victim))) listeners.push(await listen(keys));
  const outages: Error[] = [];
  const back = new Promise<void>((resolve) => {
    watchOutages(work, { lost: (error) => outages.push(error), back: resolve });
  });
  const store = new TaskStore(work, keys);
  await store.create(newTask(id));

  await killMaster(victim);
  await store.append(id, { index: 0, firstRow: 0, rows: ROWS, bytes: Buffer.from('rows') });
  await store.seal(id, 1);
  expect(await new TaskStore(requests, keys).read(id)).toMatchObject({ status: 'pending', chunks: 1 });
  const ports = masters(work).map((node) => node.options.port);
  expect(ports).toHaveLength(3);
  expect(ports).not.toContain(victim.port);

  const heard = Promise.all(listeners.map((events) => finished(events, id)));
  await repeatUntil(heard, () => work.publish(keys.finished(), id));
  await repeatUntil(back, () => work.ping());
  expect(outages).toHaveLength(1);
});

async function listen(keys: Keys): Promise<FinishedEvents> {
  const events = new FinishedEvents(opened(connectForWork(cluster.url)), keys);
  await events.start();
  return events;
}

function finished(events: FinishedEvents, id: string): Promise<void> {
  return events.wait(id, 600_000, new AbortController().signal);
}

async function hasSubscriber(server: RedisServer): Promise<boolean> {
  const redis = new Redis(server.url);
  const clients = String(await redis.client('LIST'));
  redis.disconnect();
  return / sub=1 /.test(clients);
}

async function repeatUntil(done: Promise<unknown>, act: () => Promise<unknown>): Promise<void> {
  let isDone = false;
  done.finally(() => {
    isDone = true;
  });
  while (!isDone) await act();
  await done;
}
