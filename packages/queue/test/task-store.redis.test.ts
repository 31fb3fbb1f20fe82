import { once } from 'node:events';
import { HALTED_MESSAGES, type RowError } from '@millrace/batch/errors';
import { finalStatus, OUTCOMES } from '@millrace/batch/ledger';
import { encodeFailedChunk } from '@millrace/batch/results/encode-chunk';
import { groupErrors } from '@millrace/batch/results/error-groups';
import { isTerminal } from '@millrace/batch/status';
import { connectForRequests, type RedisConnection } from '@millrace/queue/connection';
import { DEFAULT_LIFETIMES, type Keys, type Lifetimes } from '@millrace/queue/keys';
import { TaskStore } from '@millrace/queue/task-store';
import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { useRedis } from '../../../test/fixtures/redis.js';
import { newTask } from '../../../test/fixtures/task.js';

const redis = useRedis();
const LIFETIMES: Lifetimes = { leaseMs: 5_000, unfinishedMs: 60_000, resultsMs: 30_000, recordMs: 90_000 };
const NOW = 1_800_000_000_000;
const TASK = newTask({ client: 'alice' });
const SERVED = ['roses@1 f1', 'iris@1 f1'];
const ROWS = 3;

let connection: RedisConnection;
let keys: Keys;
let store: TaskStore;

beforeAll(async () => {
  connection = connectForRequests(redis.url);
  await connection.connect();
});
afterAll(() => connection.disconnect());
beforeEach(() => {
  keys = redis.freshKeys();
  store = new TaskStore(connection, keys, LIFETIMES, () => NOW);
});

const chunk = (index: number, text = `chunk ${index}`) => ({
  index,
  firstRow: index * ROWS,
  rows: ROWS,
  bytes: Buffer.from(text),
});
/** An error with every kind of member, whose texts a script could take for something else. */
const errorOf = (row: number): RowError => ({
  row,
  id: row % 3 === 0 ? `a "\n${row}` : 9_007_199_254_740_991 - row,
  code: CODES[row % 2] as RowError['code'],
  message: `%d 12 \u0000 of row ${row}`,
});
const CODES: RowError['code'][] = ['wrong_type', 'out_of_range'];
const result = (index: number, succeeded = ROWS) => ({
  counts: { succeeded, invalid: ROWS - succeeded, failed: 0 },
  errorGroups: groupErrors(
    Array.from({ length: ROWS - succeeded }, (_, place) => errorOf(index * ROWS + place)),
  ),
  segments: { predictions: Buffer.from(`${index},${index},${index}`), lines: Buffer.from(`lines ${index}`) },
});

async function submitted(chunks: number): Promise<void> {
  await store.create(TASK);
  for (let index = 0; index < chunks; index++) await store.append(TASK.id, chunk(index));
  await store.seal(TASK.id, chunks);
}

const read = async () => {
  const task = await store.read(TASK.id);
  if (task === undefined) throw new Error('the task is gone');
  return task;
};

describe('a task', () => {
  it('goes from receiving to pending to running to its end', async () => {
    await store.create(TASK);
    expect(await read()).toMatchObject({
      status: 'receiving',
      ledger: { total: 0 },
      createdAt: NOW,
      client: 'alice',
    });
    await store.append(TASK.id, chunk(0));
    await store.append(TASK.id, chunk(1));
    await store.seal(TASK.id, 2);
    expect(await read()).toMatchObject({ status: 'pending', chunks: 2, ledger: { total: 6, pending: 6 } });
    await store.begin(TASK.id, 0, SERVED);
    expect(await read()).toMatchObject({
      status: 'running',
      ledger: { pending: 3, running: 3 },
      startedAt: NOW,
    });
    expect(await store.commit(TASK.id, 0, result(0))).toBe('committed');
    expect(await read()).toMatchObject({
      status: 'running',
      ledger: { pending: 3, running: 0, succeeded: 3 },
    });
    await store.begin(TASK.id, 1, SERVED);
    expect(await store.commit(TASK.id, 1, result(1, 2))).toBe('finished');
    expect(await read()).toMatchObject({
      status: 'partially_succeeded',
      ledger: { total: 6, succeeded: 5, invalid: 1 },
      finishedAt: NOW,
      expiresAt: NOW + LIFETIMES.resultsMs,
    });
  });

  it('stays in receiving while its first chunks are predicted, and ends with its seal', async () => {
    await store.create(TASK);
    await store.append(TASK.id, chunk(0));
    await store.begin(TASK.id, 0, SERVED);
    await store.commit(TASK.id, 0, result(0));
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
    for (const index of [2, 0, 1]) await store.append(TASK.id, chunk(index));
    await store.seal(TASK.id, 3);
    const begun = await store.begin(TASK.id, 2, SERVED);
    expect(begun).toMatchObject({ kind: 'started', chunk: { firstRow: 2 * ROWS, rows: ROWS } });
    expect((await store.readSpan(TASK.id, 0))?.firstRow).toBe(0);
  });

  it('hands out the bytes and what is needed to read them', async () => {
    const bytes = Buffer.from([0, 255, 10, 13, 34]);
    await store.create({ ...TASK, format: 'csv', columns: [1, 'id', [2, 0], [2, 1], 0] });
    await store.append(TASK.id, { ...chunk(0), bytes });
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
      },
    });
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
    await store.commit(TASK.id, 0, result(0));
    expect(await lifetimes()).toEqual({
      [keys.task(TASK.id)]: within(60_000),
      [keys.chunks(TASK.id)]: within(60_000),
      [keys.input(TASK.id, 1)]: within(60_000),
      [keys.output(TASK.id, 0)]: within(60_000),
      [keys.unfinished()]: within(DEFAULT_LIFETIMES.unfinishedMs),
    });
    await store.commit(TASK.id, 1, result(1));
    expect(await lifetimes()).toEqual({
      [keys.task(TASK.id)]: within(120_000),
      [keys.chunks(TASK.id)]: within(30_000),
      [keys.output(TASK.id, 0)]: within(30_000),
      [keys.output(TASK.id, 1)]: within(30_000),
      [keys.unfinished()]: within(DEFAULT_LIFETIMES.unfinishedMs),
    });
  });
});

describe('a chunk', () => {
  it('is stored once, however often it is sent', async () => {
    await store.create(TASK);
    await store.append(TASK.id, chunk(0));
    await store.append(TASK.id, chunk(0, 'again'));
    expect(await read()).toMatchObject({ chunks: 1, ledger: { total: 3 } });
    expect(await redis.redis.get(keys.input(TASK.id, 0))).toBe('chunk 0');
  });

  it('is committed once: the second result changes nothing', async () => {
    await submitted(2);
    await store.commit(TASK.id, 0, result(0));
    expect(await store.commit(TASK.id, 0, result(0, 0))).toBe('done');
    expect(await store.begin(TASK.id, 0, SERVED)).toEqual({ kind: 'done' });
    expect((await read()).ledger).toMatchObject({ pending: 3, succeeded: 3, invalid: 0 });
  });

  it('whose counts do not sum to its rows is refused whole', async () => {
    await submitted(1);
    const wrong = { ...result(0), counts: { succeeded: 2, invalid: 0, failed: 0 } };
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

describe('errors by code', () => {
  const CHUNKS = [0, 1, 2, 3, 4];
  const HALTED: RowError['code'] = 'cancelled';

  it('are counted exactly, with the first rows of each as examples, in any order and repetition of commits', async () => {
    const commits = fc.array(fc.record({ index: fc.constantFrom(...CHUNKS), succeeded: fc.nat(ROWS) }), {
      minLength: 1,
      maxLength: 12,
    });
    await fc.assert(
      fc.asyncProperty(commits, fc.boolean(), async (steps, isCancelled) => {
        keys = redis.freshKeys();
        store = new TaskStore(connection, keys, LIFETIMES, () => NOW);
        await submitted(CHUNKS.length);
        const expected: RowError[] = [];
        const done = new Set<number>();
        for (const { index, succeeded } of steps) {
          await store.commit(TASK.id, index, result(index, succeeded));
          if (done.has(index)) continue;
          done.add(index);
          for (let place = 0; place < ROWS - succeeded; place++) expected.push(errorOf(index * ROWS + place));
        }
        if (isCancelled && (await store.end(TASK.id, 'cancelled')) === 'halted') {
          const rows = CHUNKS.filter((index) => !done.has(index)).flatMap((index) =>
            Array.from({ length: ROWS }, (_, place) => index * ROWS + place),
          );
          expected.push(...rows.map((row) => ({ row, code: HALTED, message: HALTED_MESSAGES.cancelled })));
        }
        const groups = groupErrors(expected.sort((a, b) => a.row - b.row));
        const codes = Object.keys(groups).sort() as RowError['code'][];
        const { errorCounts } = await read();
        expect(Object.entries(errorCounts)).toEqual(codes.map((code) => [code, groups[code]?.count]));
        if (codes.length === 0) return;
        const examples = await store.readExamples(TASK.id, codes);
        expect(Object.fromEntries(examples)).toEqual(
          Object.fromEntries(codes.map((code) => [code, groups[code]?.examples])),
        );
      }),
      { numRuns: 60 },
    );
  });

  it('that do not sum to the rows without a prediction are refused with the chunk', async () => {
    await submitted(1);
    const { errorGroups: _, ...wrong } = result(0, 1);
    await expect(store.commit(TASK.id, 0, wrong)).rejects.toThrow('do not sum');
    expect(await read()).toMatchObject({ status: 'pending', errorCounts: {} });
  });

  it('go with the results, but for the counts', async () => {
    await submitted(1);
    await store.commit(TASK.id, 0, result(0, 1));
    await store.erase(TASK.id);
    expect(await redis.keysUnder(keys.prefix)).toEqual([keys.task(TASK.id)]);
    expect(JSON.stringify(await redis.redis.hgetall(keys.task(TASK.id)))).not.toContain('of row');
  });
});

describe('a step that is sent again, because its answer was lost', () => {
  it('does not reset the record', async () => {
    await store.create(TASK);
    await store.append(TASK.id, chunk(0));
    await store.create(TASK);
    await store.seal(TASK.id, 1);
    expect(await read()).toMatchObject({ status: 'pending', chunks: 1, ledger: { total: 3, pending: 3 } });
  });

  it('does not take a chunk after the upload has ended', async () => {
    await submitted(1);
    expect(await store.append(TASK.id, chunk(1))).toBe('stopped');
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
    await store.append(TASK.id, chunk(0));
    if (last === 'commit') await store.seal(TASK.id, 1);
    await (last === 'abort' ? store.abort(TASK.id, '') : store.commit(TASK.id, 0, result(0)));
    if (last === 'seal') await store.seal(TASK.id, 1);
    expect(await heard).toEqual([keys.finished(), TASK.id]);
    listener.disconnect();
  });
});

describe('a result', () => {
  it('is read by segment; one that a chunk does not have is absent, one of a chunk that is gone is not', async () => {
    await submitted(1);
    await store.commit(TASK.id, 0, result(0));
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
    expect(await store.commit(TASK.id, 0, result(0))).toBe('committed');
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

describe('an upload that broke off', () => {
  it('leaves a failed record and nothing else, even of what was predicted', async () => {
    await store.create(TASK);
    await store.append(TASK.id, chunk(0));
    await store.append(TASK.id, chunk(1));
    await store.commit(TASK.id, 0, result(0));
    await store.begin(TASK.id, 1, SERVED);
    await store.abort(TASK.id, 'the client went away');
    expect(await read()).toMatchObject({
      status: 'failed',
      ledger: { total: 6, failed: 6 },
      error: { code: 'upload_aborted', message: 'the client went away' },
    });
    expect(await redis.keysUnder(keys.prefix)).toEqual([keys.task(TASK.id)]);
  });

  it.each(['abort', 'discard'] as const)('refuses what comes late after %s', async (how) => {
    await store.create(TASK);
    await store.append(TASK.id, chunk(0));
    await store.begin(TASK.id, 0, SERVED);
    if (how === 'abort') await store.abort(TASK.id, 'gone');
    else await store.discard(TASK.id);
    const keysAfter = await redis.keysUnder(keys.prefix);
    expect(await store.commit(TASK.id, 0, result(0))).toBe('gone');
    expect(await store.begin(TASK.id, 0, SERVED)).toEqual({ kind: 'gone' });
    expect(await store.append(TASK.id, chunk(1))).toBe(how === 'abort' ? 'stopped' : 'gone');
    await store.release(TASK.id, 0);
    await store.seal(TASK.id, 1);
    expect(await redis.keysUnder(keys.prefix)).toEqual(keysAfter);
    expect(keysAfter.length).toBe(how === 'abort' ? 1 : 0);
  });

  it.each(['abort', 'discard', 'erase'] as const)(
    'has nothing left after %s, though an earlier chunk was refused and a later one stored',
    async (how) => {
      await store.create(TASK);
      await store.append(TASK.id, chunk(1));
      await store.append(TASK.id, chunk(3));
      await store.begin(TASK.id, 3, SERVED);
      await store.commit(TASK.id, 3, result(3));
      if (how === 'abort') await store.abort(TASK.id, 'gone');
      else await store[how](TASK.id);
      const left = (await redis.keysUnder(keys.prefix)).filter((key) => key.includes(TASK.id));
      expect(left).toEqual(how === 'discard' ? [] : [keys.task(TASK.id)]);
    },
  );

  it('that is cancelled has a lifetime on the results of every chunk, whichever were stored', async () => {
    await store.create(TASK);
    await store.append(TASK.id, chunk(2));
    await store.begin(TASK.id, 2, SERVED);
    await store.commit(TASK.id, 2, result(2));
    await store.end(TASK.id, 'cancelled');
    expect(await redis.redis.pttl(keys.output(TASK.id, 2))).toBeLessThanOrEqual(LIFETIMES.resultsMs);
  });

  it('cannot take back a task that was accepted', async () => {
    await submitted(1);
    await store.abort(TASK.id, 'late');
    expect(await read()).toMatchObject({ status: 'pending', ledger: { pending: 3 } });
  });
});

describe('the ledger', () => {
  const CHUNKS = 4;
  const step = fc.oneof(
    ...(['append', 'begin', 'release', 'commit'] as const).map((kind) =>
      fc.record({ kind: fc.constant(kind), chunk: fc.nat(CHUNKS - 1), succeeded: fc.nat(ROWS) }),
    ),
    fc.constant({ kind: 'seal' as const }),
    fc.constantFrom({ kind: 'cancel' as const }, { kind: 'erase' as const }, { kind: 'expire' as const }),
  );

  it('sums to its total after every step, in any order and repetition, and decides the end', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 40 }), async (steps) => {
        keys = redis.freshKeys();
        store = new TaskStore(connection, keys, LIFETIMES, () => NOW);
        // By the clock of Redis the deadline has passed for 'expire' only, which brings it about.
        await store.create(TASK);
        const done = new Map<number, number>();
        let ended: string | undefined;
        for (const each of steps) {
          const before = (await read()).status;
          const taken = await take(each);
          if (!isTerminal(before)) ended = ENDS[each.kind];
          if (each.kind === 'commit' && (taken === 'committed' || taken === 'finished'))
            done.set(each.chunk, each.succeeded);
          const { ledger, status, errorCounts } = await read();
          const errors = Object.values(errorCounts).reduce((a, b) => a + b, 0);
          expect(errors).toBe(ledger.invalid + ledger.failed + ledger.cancelled + ledger.expired);
          expect(OUTCOMES.reduce((sum, outcome) => sum + ledger[outcome], 0)).toBe(ledger.total);
          expect(Math.min(...OUTCOMES.map((outcome) => ledger[outcome]))).toBeGreaterThanOrEqual(0);
          expect(ledger.succeeded).toBe([...done.values()].reduce((a, b) => a + b, 0));
          if (isTerminal(status)) {
            // What was ended in mid-upload may have no rows, or only finished ones, so far.
            expect([finalStatus(ledger), ended]).toContain(status);
            expect(ledger.pending + ledger.running).toBe(0);
          }
        }
      }),
      { numRuns: 60 },
    );
  });

  const ENDS: Record<string, string> = { cancel: 'cancelled', erase: 'cancelled', expire: 'expired' };

  async function take(each: { kind: string; chunk?: number; succeeded?: number }): Promise<unknown> {
    const { chunk: index = 0, succeeded = 0 } = each;
    switch (each.kind) {
      case 'append':
        return store.append(TASK.id, chunk(index));
      case 'begin':
        return store.begin(TASK.id, index, SERVED);
      case 'release':
        return store.release(TASK.id, index);
      case 'commit':
        return store.commit(TASK.id, index, result(index, succeeded));
      case 'cancel':
        return store.end(TASK.id, 'cancelled');
      case 'expire':
        await redis.redis.hset(keys.task(TASK.id), 'deadline_at', 1);
        return store.end(TASK.id, 'expired');
      case 'erase':
        return store.erase(TASK.id);
      default:
        return store.seal(TASK.id, Number(await redis.redis.hget(keys.task(TASK.id), 'chunks')));
    }
  }
});
