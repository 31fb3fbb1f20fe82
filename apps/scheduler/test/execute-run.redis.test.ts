import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Keys } from '@millrace/queue/keys';
import { AlarmStore } from '@millrace/queue/schedules/alarm-store';
import type { RecordedRun } from '@millrace/queue/schedules/run-record';
import { RunStore } from '@millrace/queue/schedules/run-store';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { useRedis } from '../../../test/fixtures/redis.js';
import { all, workOff } from '../../../test/fixtures/worked-off.js';
import { RunError } from '../dist/run-error.js';
import { Slots } from '../dist/runs/slots.js';
import { type RunHarness, startRunHarness } from './run-harness.js';

const redis = useRedis({ appendonly: 'no' });
const DATE = '2026-11-20';
const ROWS = 25;
let keys: Keys;
let harness: RunHarness;

beforeEach(async () => {
  keys = redis.freshKeys();
  harness = await startRunHarness(redis.url, keys);
  harness.writeRows(ROWS);
});
afterEach(() => harness.stop());

const outPath = () => join(harness.folder, 'out', `${DATE}.ndjson`);
const lines = () =>
  readFileSync(outPath(), 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
const predicted = Array.from({ length: ROWS }, (_, row) => ({ row, id: `r${row}`, prediction: row * 10 }));

/** Executes the run and works its task off meanwhile. */
async function executed(outcomeOf = all('predicted'), isLastTry = false): Promise<RecordedRun> {
  const done = harness.execute(DATE, { isLastTry });
  const { taskId } = await harness.withTask(DATE);
  await workOff(harness.store, taskId, outcomeOf);
  expect(await done).toEqual({ kind: 'done' });
  return harness.read(DATE);
}

describe('a run', () => {
  it('makes a task of its source, waits for it, and writes the sink', async () => {
    await harness.addRun(DATE);
    const run = await executed();
    expect(run).toMatchObject({
      status: 'succeeded',
      attempt: 1,
      model: 'iris@1',
      ledger: { total: ROWS, succeeded: ROWS },
      written: { location: outPath(), rows: ROWS },
    });
    expect(lines()).toEqual(predicted);
    expect(await harness.alarms()).toEqual([]);
    expect(await harness.store.read(run.taskId as string)).toMatchObject({
      client: 'anonymous',
      requestId: `nightly/${DATE}`,
    });
  });

  it('that has ended is not made again', async () => {
    await harness.addRun(DATE);
    await executed();
    rmSync(outPath());
    expect(await harness.execute(DATE)).toEqual({ kind: 'done' });
    expect(existsSync(outPath())).toBe(false);
    expect(await harness.read(DATE)).toMatchObject({ attempt: 1 });
  });

  it('writes the rows without a prediction, too, and raises an alarm when they are more than they may be', async () => {
    await harness.addRun(DATE, { alarms: { error_share: 0.05, connection: 'oncall' } });
    const run = await executed((row) => (row < 2 ? 'wrong_type' : 'predicted'));
    expect(run).toMatchObject({ status: 'partially_succeeded', ledger: { succeeded: ROWS - 2, invalid: 2 } });
    expect(lines()[1]).toMatchObject({ row: 1, error: { code: 'wrong_type' } });
    expect(await harness.alarms()).toMatchObject([
      {
        type: 'run.errors',
        logical_date: DATE,
        connection: 'oncall',
        details: { error_share: 0.08, limit: 0.05 },
      },
    ]);
  });

  it('without a single prediction fails, and leaves the sink as it is', async () => {
    await harness.addRun(DATE);
    writeFileSync(outPath(), 'of last night');
    const run = await executed(all('wrong_type'));
    expect(run).toMatchObject({ status: 'failed', error: { code: 'no_predictions' } });
    expect(run.error?.message).toContain('wrong_type: 25');
    expect(readFileSync(outPath(), 'utf8')).toBe('of last night');
    expect(await harness.alarms()).toMatchObject([{ type: 'run.failed' }]);
  });

  it('whose task expires ends as expired, with an alarm', async () => {
    await harness.addRun(DATE, { expires_in: 1 });
    expect(await harness.execute(DATE)).toEqual({ kind: 'done' });
    expect(await harness.read(DATE)).toMatchObject({ status: 'expired', ledger: { expired: ROWS } });
    expect(existsSync(outPath())).toBe(false);
    expect(await harness.alarms()).toMatchObject([{ type: 'run.failed' }]);
  });
});

describe('what stands in the way of a run', () => {
  it('is tried again when it may pass, and fails the run when it has been often enough', async () => {
    await harness.addRun(DATE, { model: 'unheard-of' });
    expect(await harness.execute(DATE)).toMatchObject({ kind: 'retry' });
    expect(await harness.read(DATE)).toMatchObject({
      status: 'running',
      attempt: 1,
      error: { code: 'unknown_model' },
    });
    expect(await harness.execute(DATE, { isLastTry: true })).toEqual({ kind: 'done' });
    expect(await harness.read(DATE)).toMatchObject({
      status: 'failed',
      attempt: 2,
      error: { code: 'unknown_model' },
    });
    expect(await harness.alarms()).toMatchObject([{ type: 'run.failed', details: { attempt: 2 } }]);
  });

  it.each([
    ['a file that is not there', () => rmSync(join(harness.folder, 'rows.csv')), {}, 'source_not_found'],
    ['no rows', () => harness.writeRows(0), {}, 'empty_batch'],
    [
      'a column that is missing',
      () => writeFileSync(join(harness.folder, 'rows.csv'), 'id\n1\n'),
      {},
      'missing_column',
    ],
    [
      'a place that nobody may write to',
      () => {},
      { sink: { kind: 'file', path: '/elsewhere/x.csv' } },
      'sink_not_allowed',
    ],
    [
      'a connection that nobody knows',
      () => {},
      { source: { kind: 's3', connection: 'x', bucket: 'abc', key: 'k.csv' } },
      'unknown_connection',
    ],
  ])('fails it at once when it cannot pass: %s', async (_, prepare, members, code) => {
    prepare();
    await harness.addRun(DATE, members);
    const done = harness.execute(DATE);
    if (code === 'sink_not_allowed')
      await workOff(harness.store, (await harness.withTask(DATE)).taskId, all('predicted'));
    expect(await done).toEqual({ kind: 'done' });
    expect(await harness.read(DATE)).toMatchObject({ status: 'failed', error: { code } });
  });

  it('is given up when it has ended as many processes as it may', async () => {
    await harness.addRun(DATE);
    expect(await harness.execute(DATE, { stalls: 11 })).toEqual({ kind: 'done' });
    expect(await harness.read(DATE)).toMatchObject({ status: 'failed', error: { code: 'process_lost' } });
    await harness.addRun(DATE);
    const done = harness.execute(DATE, { stalls: 10 });
    await workOff(harness.store, (await harness.withTask(DATE)).taskId, all('predicted'));
    await done;
    expect(await harness.read(DATE)).toMatchObject({ status: 'succeeded' });
  });

  it('leaves nothing of a task that did not come to be', async () => {
    await harness.addRun(DATE);
    writeFileSync(
      join(harness.folder, 'rows.csv'),
      `id,sepal_length,sepal_width,petal_length,petal_width\n${'1,1,1,1,1\n'.repeat(30)}"${'x'.repeat(2_000)}"\n`,
    );
    expect(await harness.execute(DATE)).toEqual({ kind: 'done' });
    const run = await harness.read(DATE);
    expect(run).toMatchObject({ status: 'failed', error: { code: 'row_too_large' } });
    expect(await harness.store.read(run.taskId as string)).toBeUndefined();
  });
});

describe('a run that is taken up by another process', () => {
  /** Dies at the k-th step that it notes: nothing of what it does later is done, not even tidying up. */
  class DyingRuns extends RunStore {
    steps = 0;
    dieAt = Number.POSITIVE_INFINITY;

    override async note(...step: Parameters<RunStore['note']>): ReturnType<RunStore['note']> {
      const reply = await super.note(...step);
      if (++this.steps >= this.dieAt) return new Promise(() => {});
      return reply;
    }
  }

  it.each([1, 2, 3, 4, 5])('goes on where step %i was the last of the one before', async (dieAt) => {
    await harness.addRun(DATE);
    const dying = new DyingRuns(redis.redis, keys);
    dying.dieAt = dieAt;
    harness.execute(DATE, { runs: dying }).catch(() => {});
    const isWorkedOff = dieAt > 3;
    if (isWorkedOff) await workOff(harness.store, (await harness.withTask(DATE)).taskId, all('predicted'));
    while (dying.steps < dieAt) await new Promise(setImmediate);
    const first = (await harness.read(DATE)).taskId as string;
    const done = harness.execute(DATE);
    if (!isWorkedOff) await workOff(harness.store, (await harness.withTask(DATE)).taskId, all('predicted'));
    expect(await done).toEqual({ kind: 'done' });
    const run = await harness.read(DATE);
    expect(run).toMatchObject({ status: 'succeeded', attempt: 2 });
    expect(lines()).toEqual(predicted);
    expect(readdirSync(join(harness.folder, 'out')).sort()).toEqual([
      `${DATE}.ndjson`,
      `${DATE}.ndjson.manifest.json`,
    ]);
    // What was sealed is not made again; what was not is void.
    const earlier = await harness.store.read(first);
    if (dieAt > 2) expect(run.taskId).toBe(first);
    else expect([undefined, 'upload_aborted']).toContain(earlier && (earlier.error?.code ?? earlier.status));
  });

  it('does not hear any more of the one before, though that was only asleep', async () => {
    await harness.addRun(DATE);
    const asleep = harness.execute(DATE);
    const { taskId } = await harness.withTask(DATE);
    const awake = harness.execute(DATE);
    while ((await harness.read(DATE)).attempt < 2);
    await workOff(harness.store, taskId, all('predicted'));
    expect(await Promise.all([asleep, awake])).toEqual([{ kind: 'done' }, { kind: 'done' }]);
    expect(await harness.read(DATE)).toMatchObject({ status: 'succeeded', attempt: 2, taskId });
    expect(lines()).toEqual(predicted);
  });

  it('makes its task anew when its results have expired before they were written', async () => {
    await harness.addRun(DATE);
    const stop = new AbortController();
    const first = harness.execute(DATE, { signal: stop.signal });
    const { taskId } = await harness.withTask(DATE);
    stop.abort(new Error('the process stops'));
    await first;
    await workOff(harness.store, taskId, all('predicted'));
    await harness.store.expireResults(taskId);
    const second = harness.execute(DATE);
    while ((await harness.read(DATE)).taskId === taskId);
    await workOff(harness.store, (await harness.withTask(DATE)).taskId, all('predicted'));
    await second;
    expect(await harness.read(DATE)).toMatchObject({ status: 'succeeded', attempt: 2 });
    expect(lines()).toEqual(predicted);
  });

  it('makes its task anew when Redis has lost it', async () => {
    await harness.addRun(DATE);
    const stop = new AbortController();
    const first = harness.execute(DATE, { signal: stop.signal });
    const { taskId } = await harness.withTask(DATE);
    stop.abort(new Error('the process stops'));
    expect(await first).toEqual({ kind: 'hand_back', afterMs: 0 });
    await harness.store.discard(taskId);
    const second = harness.execute(DATE);
    while ((await harness.read(DATE)).taskId === taskId);
    await workOff(harness.store, (await harness.withTask(DATE)).taskId, all('predicted'));
    await second;
    expect(await harness.read(DATE)).toMatchObject({ status: 'succeeded', attempt: 2 });
    expect(lines()).toEqual(predicted);
  });
});

describe('a run that is cancelled', () => {
  it('while its task is worked on, ends as cancelled, with no result', async () => {
    await harness.addRun(DATE);
    const done = harness.execute(DATE);
    const { taskId } = await harness.withTask(DATE);
    await harness.runs.cancel('nightly', DATE, 'request');
    await harness.store.end(taskId, 'cancelled');
    await done;
    expect(await harness.read(DATE)).toMatchObject({ status: 'cancelled', ledger: { cancelled: ROWS } });
    expect(existsSync(outPath())).toBe(false);
    expect(await harness.alarms()).toEqual([]);
  });

  it('while its source sends nothing, hears of it', async () => {
    await harness.addRun(DATE);
    const openSource: RunHarness['deps']['openSource'] = async (_, { signal }) => ({
      format: 'ndjson',
      bytes: {
        [Symbol.asyncIterator]: () => ({
          async next() {
            await once(signal, 'abort');
            throw signal.reason;
          },
        }),
      },
    });
    const done = harness.execute(DATE, { openSource });
    while ((await harness.read(DATE)).taskId === undefined);
    await harness.runs.cancel('nightly', DATE, 'request');
    expect(await done).toEqual({ kind: 'done' });
    expect(await harness.read(DATE)).toMatchObject({ status: 'cancelled' });
  });

  it('just when its task was accepted, leaves nobody working on that', async () => {
    await harness.addRun(DATE);
    class CancelledRuns extends RunStore {
      override async note(...step: Parameters<RunStore['note']>): ReturnType<RunStore['note']> {
        if (step[1].acceptedTask !== undefined) await this.cancel('nightly', DATE, 'request');
        return super.note(...step);
      }
    }
    await harness.execute(DATE, { runs: new CancelledRuns(redis.redis, keys) });
    const { status, taskId } = await harness.read(DATE);
    expect(status).toBe('cancelled');
    expect(await harness.store.read(taskId as string)).toMatchObject({ status: 'cancelled' });
  });

  it('while its source is opened, makes no task', async () => {
    await harness.addRun(DATE);
    const openSource: RunHarness['deps']['openSource'] = async (...source) => {
      await harness.runs.cancel('nightly', DATE, 'request');
      return harness.deps.openSource(...source);
    };
    await harness.execute(DATE, { openSource });
    expect(await harness.read(DATE)).toMatchObject({ status: 'cancelled' });
  });

  it('before anything becomes visible of its result, leaves the sink as it is', async () => {
    await harness.addRun(DATE);
    const writeSink: RunHarness['deps']['writeSink'] = async (...sink) => {
      await harness.runs.cancel('nightly', DATE, 'request');
      return harness.deps.writeSink(...sink);
    };
    const done = harness.execute(DATE, { writeSink });
    await workOff(harness.store, (await harness.withTask(DATE)).taskId, all('predicted'));
    await done;
    expect(await harness.read(DATE)).toMatchObject({ status: 'cancelled' });
    expect(readdirSync(join(harness.folder, 'out'))).toEqual([]);
  });
});

it('a sink that fails is written again, by the task that there is', async () => {
  await harness.addRun(DATE);
  const writeSink: RunHarness['deps']['writeSink'] = async () => {
    throw new RunError('sink_unavailable', 'the disk is away', true);
  };
  const first = harness.execute(DATE, { writeSink });
  const { taskId } = await harness.withTask(DATE);
  await workOff(harness.store, taskId, all('predicted'));
  expect(await first).toEqual({ kind: 'retry', reason: 'the disk is away' });
  expect(await harness.execute(DATE)).toEqual({ kind: 'done' });
  expect(await harness.read(DATE)).toMatchObject({ status: 'succeeded', attempt: 2, taskId });
  expect(lines()).toEqual(predicted);
});

it('a run that waits for its task keeps no other from working', async () => {
  const slots = new Slots(1);
  await harness.addRun(DATE);
  const waiting = harness.execute(DATE, { slots });
  const { taskId } = await harness.withTask(DATE);
  await harness.addRun('2026-11-21', { model: 'iris' });
  const other = harness.execute('2026-11-21', { slots });
  await workOff(harness.store, (await harness.withTask('2026-11-21')).taskId, all('predicted'));
  expect(await other).toEqual({ kind: 'done' });
  await workOff(harness.store, taskId, all('predicted'));
  expect(await waiting).toEqual({ kind: 'done' });
});

it('alarms are handed on until somebody has taken them', async () => {
  await harness.addRun(DATE);
  await executed(all('wrong_type'));
  const alarms = new AlarmStore(redis.redis, keys);
  const seen: string[] = [];
  const fails = alarms.drain('nightly', async ({ id }) => {
    seen.push(id);
    throw new Error('cannot queue it');
  });
  await expect(fails).rejects.toThrow('cannot queue it');
  await alarms.drain('nightly', async ({ id }) => void seen.push(id));
  await alarms.drain('nightly', async ({ id }) => void seen.push(id));
  expect(seen).toHaveLength(2);
  expect(new Set(seen).size).toBe(1);
});
