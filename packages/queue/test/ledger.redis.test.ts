import { HALTED_MESSAGES, type RowError } from '@millrace/batch/errors';
import { finalStatus, OUTCOMES } from '@millrace/batch/ledger';
import { groupErrors } from '@millrace/batch/results/error-groups';
import { isTerminal } from '@millrace/batch/status';
import type { Keys } from '@millrace/queue/keys';
import type { TaskStore } from '@millrace/queue/task-store';
import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import { useRedis } from '../../../test/fixtures/redis.js';
import {
  chunkOf,
  errorOf,
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
      fc.asyncProperty(
        fc.array(step, { minLength: 5, maxLength: 40 }),
        fc.boolean(),
        async (steps, isWhole) => {
          ({ keys, store } = freshStore());
          // By the clock of Redis the deadline has passed for 'expire' only, which brings it about.
          await (isWhole ? store.createWhole(TASK, chunkOf(0)) : store.create(TASK));
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
        },
      ),
      { numRuns: 60 },
    );
  });

  const ENDS: Record<string, string> = { cancel: 'cancelled', erase: 'cancelled', expire: 'expired' };

  async function take(each: { kind: string; chunk?: number; succeeded?: number }): Promise<unknown> {
    const { chunk: index = 0, succeeded = 0 } = each;
    switch (each.kind) {
      case 'append':
        return store.append(TASK.id, chunkOf(index));
      case 'begin':
        return store.begin(TASK.id, index, SERVED);
      case 'release':
        return store.release(TASK.id, index);
      case 'commit':
        return (await store.commit(TASK.id, index, resultOf(index, succeeded))).kind;
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
        ({ keys, store } = freshStore());
        await submitted(CHUNKS.length);
        const expected: RowError[] = [];
        const done = new Set<number>();
        for (const { index, succeeded } of steps) {
          await store.commit(TASK.id, index, resultOf(index, succeeded));
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
    const { errorGroups: _, ...wrong } = resultOf(0, 1);
    await expect(store.commit(TASK.id, 0, wrong)).rejects.toThrow('do not sum');
    expect(await read()).toMatchObject({ status: 'pending', errorCounts: {} });
  });

  it('go with the results, but for the counts', async () => {
    await submitted(1);
    await store.commit(TASK.id, 0, resultOf(0, 1));
    await store.erase(TASK.id);
    expect(await redis.keysUnder(keys.prefix)).toEqual([keys.task(TASK.id)]);
    expect(JSON.stringify(await redis.redis.hgetall(keys.task(TASK.id)))).not.toContain('of row');
  });
});
