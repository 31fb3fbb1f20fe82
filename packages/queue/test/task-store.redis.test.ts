import { once } from 'node:events';
import { encodeFailedChunk } from '@millrace/batch/results/encode-chunk';
import { DEFAULT_LIFETIMES, type Keys } from '@millrace/queue/keys';
import type { TaskStore } from '@millrace/queue/task-store';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { useRedis } from '../../../test/fixtures/redis.js';
import {
  chunkOf,
  LIFETIMES,
  NOW,
  ROWS,
  readTask,
  resultOf,
  SERVED,
  submitTask,
  TASK,
  useTaskStore,
} from './stored-task.js';

const redis = useRedis();
const freshStore = useTaskStore(redis);
let keys: Keys;
let store: TaskStore;

beforeEach(() => {
  ({ keys, store } = freshStore());
});

const submitted = (chunks: number) => submitTask(store, chunks);
const read = () => readTask(store);

describe('a task', () => {
  it('goes from receiving to pending to running to its end', async () => {
    await store.create(TASK);
    expect(await read()).toMatchObject({
      status: 'receiving',
      ledger: { total: 0 },
      createdAt: NOW,
      client: 'alice',
    });
    await store.append(TASK.id, chunkOf(0));
    await store.append(TASK.id, chunkOf(1));
    await store.seal(TASK.id, 2);
    expect(await read()).toMatchObject({ status: 'pending', chunks: 2, ledger: { total: 6, pending: 6 } });
    await store.begin(TASK.id, 0, SERVED);
    expect(await read()).toMatchObject({
      status: 'running',
      ledger: { pending: 3, running: 3 },
      startedAt: NOW,
    });
    expect(await store.commit(TASK.id, 0, resultOf(0))).toEqual({ kind: 'committed' });
    expect(await read()).toMatchObject({
      status: 'running',
      ledger: { pending: 3, running: 0, succeeded: 3 },
    });
    await store.begin(TASK.id, 1, SERVED);
    expect(await store.commit(TASK.id, 1, resultOf(1, 2))).toMatchObject({ kind: 'finished' });
    expect(await read()).toMatchObject({
      status: 'partially_succeeded',
      ledger: { total: 6, succeeded: 5, invalid: 1 },
      finishedAt: NOW,
      expiresAt: NOW + LIFETIMES.resultsMs,
    });
  });

  it('stays in receiving while its first chunks are predicted, and ends with its seal', async () => {
    await store.create(TASK);
    await store.append(TASK.id, chunkOf(0));
    await store.begin(TASK.id, 0, SERVED);
    await store.commit(TASK.id, 0, resultOf(0));
    expect(await read()).toMatchObject({ status: 'receiving', ledger: { succeeded: 3 } });
    await store.seal(TASK.id, 1);
    expect(await read()).toMatchObject({ status: 'succeeded' });
  });

  it('that is begun again, its worker being lost, is counted once', async () => {
    await submitted(1);
    await store.begin(TASK.id, 0, SERVED);
    expect(await store.begin(TASK.id, 0, SERVED)).toMatchObject({ kind: 'started' });
    expect((await read()).ledger).toMatchObject({ total: ROWS, pending: 0, running: ROWS });
  });

  it('has its rows where they were sent, in whatever order its chunks come in', async () => {
    await store.create(TASK);
    for (const index of [2, 0, 1]) await store.append(TASK.id, chunkOf(index));
    await store.seal(TASK.id, 3);
    const begun = await store.begin(TASK.id, 2, SERVED);
    expect(begun).toMatchObject({ kind: 'started', chunk: { firstRow: 2 * ROWS, rows: ROWS } });
    expect((await store.readSpan(TASK.id, 0))?.firstRow).toBe(0);
  });

  it('hands out the bytes and what is needed to read them', async () => {
    const bytes = Buffer.from([0, 255, 10, 13, 34]);
    await store.create({ ...TASK, format: 'csv', columns: [1, 'id', [2, 0], [2, 1], 0] });
    await store.append(TASK.id, { ...chunkOf(0), bytes });
    expect(await store.begin(TASK.id, 0, SERVED)).toEqual({
      kind: 'started',
      chunk: {
        firstRow: 0,
        rows: ROWS,
        model: 'iris@1',
        format: 'csv',
        columns: [1, 'id', [2, 0], [2, 1], 0],
        pin: 'iris@1 f1',
        requestId: 'request-1',
        bytes,
        begunAt: expect.closeTo(Date.now() * 1000, -9),
      },
    });
  });

  it('leaves many bytes to a reading of their own', async () => {
    const bytes = Buffer.alloc(65_537, '.');
    await store.create(TASK);
    await store.append(TASK.id, { ...chunkOf(0), bytes });
    await store.append(TASK.id, { ...chunkOf(1), bytes: bytes.subarray(1) });
    const [many, most] = [await store.begin(TASK.id, 0, SERVED), await store.begin(TASK.id, 1, SERVED)];
    expect(many.kind === 'started' && many.chunk).not.toHaveProperty('bytes');
    expect(await store.readInput(TASK.id, 0)).toEqual(bytes);
    expect(most.kind === 'started' && most.chunk.bytes).toEqual(bytes.subarray(1));
  });

  it('has a lifetime on every key, at every step', async () => {
    const lifetimes = async () => {
      const all = await redis.keysUnder(keys.prefix);
      return Object.fromEntries(
        await Promise.all(all.map(async (key) => [key, await redis.redis.pttl(key)])),
      );
    };
    const within = (ms: number) => ({ asymmetricMatch: (ttl: number) => ttl > 0 && ttl <= ms });
    await submitted(2);
    await store.begin(TASK.id, 0, SERVED);
    await store.commit(TASK.id, 0, resultOf(0));
    expect(await lifetimes()).toEqual({
      [keys.task(TASK.id)]: within(60_000),
      [keys.chunks(TASK.id)]: within(60_000),
      [keys.input(TASK.id, 1)]: within(60_000),
      [keys.output(TASK.id, 0)]: within(60_000),
      [keys.unfinished()]: within(DEFAULT_LIFETIMES.unfinishedMs),
    });
    await store.commit(TASK.id, 1, resultOf(1));
    expect(await lifetimes()).toEqual({
      [keys.task(TASK.id)]: within(120_000),
      [keys.chunks(TASK.id)]: within(30_000),
      [keys.output(TASK.id, 0)]: within(30_000),
      [keys.output(TASK.id, 1)]: within(30_000),
      [keys.unfinished()]: within(DEFAULT_LIFETIMES.unfinishedMs),
    });
  });
});

describe('a task that comes whole', () => {
  it('is recorded in one step as one that comes in parts is in three, with the same lifetimes', async () => {
    const task = { ...TASK, expiresInMs: 100_000, columns: [1, 'id' as const, 0] };
    await store.create(task);
    await store.append(TASK.id, chunkOf(0));
    const inParts = await store.seal(TASK.id, 1);
    const whole = await store.createWhole({ ...task, id: 'task-2' }, chunkOf(0));
    const { createdAt, deadlineAt = 0, ...record } = whole;
    expect({ ...inParts, id: 'task-2', createdAt, deadlineAt }).toEqual(whole);
    expect(Math.abs(deadlineAt - (inParts?.deadlineAt ?? 0))).toBeLessThan(10_000);
    expect(record).toMatchObject({ status: 'pending', chunks: 1, ledger: { total: 3, pending: 3 } });
    for (const key of [keys.task, keys.chunks, (id: string) => keys.input(id, 0)]) {
      const [one, other] = await Promise.all([TASK.id, 'task-2'].map((id) => redis.redis.pttl(key(id))));
      expect(Math.abs((one ?? 0) - (other ?? 0))).toBeLessThan(10_000);
      expect(other).toBeGreaterThan(0);
    }
    expect(await redis.redis.zrange(keys.unfinished(), '0', '-1')).toEqual([TASK.id, 'task-2']);
    expect(await store.begin('task-2', 0, SERVED)).toEqual(
      expect.objectContaining({
        kind: 'started',
        chunk: expect.objectContaining({ rows: 3, columns: [1, 'id', 0] }),
      }),
    );
  });

  it('is recorded once, however often it is sent: what has become of it since stays', async () => {
    await store.createWhole(TASK, chunkOf(0));
    await store.begin(TASK.id, 0, SERVED);
    expect(await store.createWhole(TASK, chunkOf(0, 'again'))).toMatchObject({ status: 'running' });
    await store.commit(TASK.id, 0, resultOf(0));
    expect(await store.createWhole(TASK, chunkOf(0))).toMatchObject({
      status: 'succeeded',
      ledger: { total: 3, succeeded: 3 },
    });
    expect(await redis.redis.exists(keys.input(TASK.id, 0))).toBe(0);
  });
});

describe('a chunk', () => {
  it('is stored once, however often it is sent', async () => {
    await store.create(TASK);
    await store.append(TASK.id, chunkOf(0));
    await store.append(TASK.id, chunkOf(0, 'again'));
    expect(await read()).toMatchObject({ chunks: 1, ledger: { total: 3 } });
    expect(await redis.redis.get(keys.input(TASK.id, 0))).toBe('chunk 0');
  });

  it('is committed once: the second result changes nothing', async () => {
    await submitted(2);
    await store.commit(TASK.id, 0, resultOf(0));
    expect(await store.commit(TASK.id, 0, resultOf(0, 0))).toEqual({ kind: 'done' });
    expect(await store.begin(TASK.id, 0, SERVED)).toEqual({ kind: 'done' });
    expect((await read()).ledger).toMatchObject({ pending: 3, succeeded: 3, invalid: 0 });
  });

  it('whose counts do not sum to its rows is refused whole', async () => {
    await submitted(1);
    const wrong = { ...resultOf(0), counts: { succeeded: 2, invalid: 0, failed: 0 } };
    await expect(store.commit(TASK.id, 0, wrong)).rejects.toThrow('do not sum to its 3 rows');
    expect(await read()).toMatchObject({ status: 'pending', ledger: { pending: 3 } });
    expect(await store.readSegments(TASK.id, 0, ['lines'])).toBeUndefined();
  });

  it('that is released waits again', async () => {
    await submitted(1);
    await store.begin(TASK.id, 0, SERVED);
    await store.release(TASK.id, 0);
    await store.release(TASK.id, 0);
    expect((await read()).ledger).toMatchObject({ pending: 3, running: 0 });
    expect(await store.begin(TASK.id, 0, SERVED)).toMatchObject({ kind: 'started' });
  });

  it('whose bytes are lost says where its rows were', async () => {
    await submitted(2);
    await redis.redis.del(keys.input(TASK.id, 1));
    expect(await store.begin(TASK.id, 1, SERVED)).toEqual({
      kind: 'lost',
      chunk: { firstRow: 3, rows: 3, model: 'iris@1', requestId: 'request-1' },
    });
    await store.commit(TASK.id, 1, encodeFailedChunk(3, 3, 'input_lost', 'lost'));
    expect((await read()).ledger).toMatchObject({ failed: 3, running: 0, pending: 3 });
  });
});

describe('a step that is sent again, because its answer was lost', () => {
  it('does not reset the record', async () => {
    await store.create(TASK);
    await store.append(TASK.id, chunkOf(0));
    await store.create(TASK);
    await store.seal(TASK.id, 1);
    expect(await read()).toMatchObject({ status: 'pending', chunks: 1, ledger: { total: 3, pending: 3 } });
  });

  it('does not take a chunk after the upload has ended', async () => {
    await submitted(1);
    expect(await store.append(TASK.id, chunkOf(1))).toBe('stopped');
    expect(await read()).toMatchObject({ chunks: 1, ledger: { total: 3 } });
  });
});

describe('a model that the worker does not serve', () => {
  it('is not started, and its bytes stay where they are', async () => {
    await submitted(1);
    expect(await store.begin(TASK.id, 0, ['roses@1 f'])).toEqual({
      kind: 'unserved',
      chunk: { firstRow: 0, rows: 3, model: 'iris@1', requestId: 'request-1' },
    });
    expect(await read()).toMatchObject({ status: 'pending', ledger: { pending: 3, running: 0 } });
  });
});

describe('the end of a task', () => {
  it.each(['commit', 'seal', 'abort'])('is published, by %s', async (last) => {
    const listener = redis.redis.duplicate();
    await listener.subscribe(keys.finished());
    const heard = once(listener, 'message');
    await store.create(TASK);
    await store.append(TASK.id, chunkOf(0));
    if (last === 'commit') await store.seal(TASK.id, 1);
    await (last === 'abort' ? store.abort(TASK.id, '') : store.commit(TASK.id, 0, resultOf(0)));
    if (last === 'seal') await store.seal(TASK.id, 1);
    expect(await heard).toEqual([keys.finished(), TASK.id]);
    listener.disconnect();
  });
});

describe('a result', () => {
  it('is read by segment; one that a chunk does not have is absent, one of a chunk that is gone is not', async () => {
    await submitted(1);
    await store.commit(TASK.id, 0, resultOf(0));
    expect(await store.readSegments(TASK.id, 0, ['lines'])).toEqual({ lines: Buffer.from('lines 0') });
    expect(await store.readSegments(TASK.id, 0, ['errors'])).toEqual({});
    expect(await store.readSegments(TASK.id, 1, ['errors'])).toBeUndefined();
    expect(Object.keys((await store.readSegments(TASK.id, 0)) ?? {})).toEqual(['predictions', 'lines']);
    expect(await store.readSegments(TASK.id, 1)).toBeUndefined();
    expect(await store.readSpan(TASK.id, 0)).toEqual({ state: 'done', firstRow: 0, rows: 3 });
    expect(await store.readSpan(TASK.id, 1)).toBeUndefined();
  });
});

describe('a Redis that is full', () => {
  beforeEach(() => submitted(2));
  afterEach(() => redis.redis.config('SET', 'maxmemory', 0));

  it('takes nothing new', async () => {
    await redis.redis.config('SET', 'maxmemory', 1);
    await expect(store.create({ ...TASK, id: 'task-2' })).rejects.toThrow(/^OOM/);
  });

  it('takes the result of a chunk in place of its rows', async () => {
    await store.begin(TASK.id, 0, SERVED);
    await redis.redis.config('SET', 'maxmemory', 1);
    expect(await store.commit(TASK.id, 0, resultOf(0))).toEqual({ kind: 'committed' });
    expect((await read()).ledger).toMatchObject({ succeeded: ROWS, pending: ROWS });
  });

  it('lets a task be erased, which makes room', async () => {
    await redis.redis.config('SET', 'maxmemory', 1);
    await store.erase(TASK.id);
    expect(await read()).toMatchObject({
      status: 'cancelled',
      erasedAt: NOW,
      ledger: { cancelled: 2 * ROWS },
    });
    const left = (await redis.keysUnder(keys.prefix)).filter((key) => key.includes(TASK.id));
    expect(left).toEqual([keys.task(TASK.id)]);
  });
});
