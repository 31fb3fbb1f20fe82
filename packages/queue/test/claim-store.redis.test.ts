import { type Claim, ClaimStore } from '@millrace/queue/claim-store';
import { connectForRequests, type RedisConnection } from '@millrace/queue/connection';
import type { ClaimLifetimes, Keys } from '@millrace/queue/keys';
import { TaskStore } from '@millrace/queue/task-store';
import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { useRedis } from '../../../test/fixtures/redis.js';
import { newTask } from '../../../test/fixtures/task.js';

const redis = useRedis();
const LIFETIMES: ClaimLifetimes = { leaseMs: 30_000, keptMs: 60_000 };
const NOW = 1_800_000_000_000;
const RESULTS_MS = 30_000;
const CLIENT = 'alice';
const KEY = 'nightly 2026-11-22';

let connection: RedisConnection;
let keys: Keys;
let tasks: TaskStore;
let claims: ClaimStore;
let now: number;

beforeAll(async () => {
  connection = connectForRequests(redis.url);
  await connection.connect();
});
afterAll(() => connection.disconnect());
beforeEach(() => {
  keys = redis.freshKeys();
  now = NOW;
  const lifetimes = { leaseMs: 5_000, unfinishedMs: 60_000, resultsMs: RESULTS_MS, recordMs: 90_000 };
  tasks = new TaskStore(connection, keys, lifetimes, () => now);
  claims = new ClaimStore(connection, keys, tasks, LIFETIMES, () => now);
});

/** The real store; a test acts in between. */
class WatchedStore extends TaskStore {
  afterRead: () => Promise<unknown> = async () => {};

  override async read(id: string) {
    const task = await super.read(id);
    await this.afterRead();
    return task;
  }
}

const claimOf = (task: string, key = KEY, client = CLIENT): Claim => ({ client, key, task });
const chunk = { index: 0, firstRow: 0, rows: 1, bytes: Buffer.from('[1]\n') };
const record = (id: string) => newTask({ id, client: CLIENT });

/** The steps of a request that is accepted, in their order. */
const STEPS: [name: string, take: (claim: Claim) => Promise<unknown>][] = [
  ['claiming the key', (claim) => claims.claim(claim)],
  ['creating the task', ({ task }) => tasks.create(record(task))],
  ['storing a chunk', ({ task }) => tasks.append(task, chunk)],
  ['saying what was received', (claim) => claims.hold(claim, `what ${claim.task} received`)],
  ['sealing the task', ({ task }) => tasks.seal(task, 1)],
  ['answering the key', (claim) => claims.answer(claim)],
];
const SEALED_AFTER = 5;

async function takeSteps(claim: Claim, count = STEPS.length): Promise<void> {
  for (const [, take] of STEPS.slice(0, count)) await take(claim);
}

/** What silence comes to. */
async function lapse(client = CLIENT, key = KEY): Promise<void> {
  await redis.redis.pexpire(keys.lease(client, key), 0);
}

async function sealedTasks(): Promise<string[]> {
  const found = await redis.keysUnder(`${keys.prefix}:{task-`);
  const ids = found.filter((key) => key.endsWith(':task')).map((key) => key.split(/[{}]/)[1] as string);
  const sealed = await Promise.all(ids.map((id) => redis.redis.hget(keys.task(id), 'sealed')));
  return ids.filter((_, index) => sealed[index] === '1');
}

describe('a process that dies', () => {
  const points = STEPS.map(([name], index) => [`after ${name}`, index + 1] as const);

  it.each(points)('%s, leaves the key in use until its lease has run out', async (_name, count) => {
    await takeSteps(claimOf('task-1'), count);
    const found = await claims.claim(claimOf('task-2'));
    expect(found.kind).toBe(count === STEPS.length ? 'answered' : 'in_use');
  });

  it.each(points)('%s, lets the next request have the key or the answer', async (_name, count) => {
    await takeSteps(claimOf('task-1'), count);
    await lapse();
    const found = await claims.claim(claimOf('task-2'));
    if (count < SEALED_AFTER) {
      expect(found).toEqual({ kind: 'claimed' });
      expect((await tasks.read('task-1'))?.error?.code).toBe(count < 2 ? undefined : 'upload_aborted');
      await takeSteps(claimOf('task-2'));
      expect(await sealedTasks()).toEqual(['task-2']);
    } else {
      expect(found).toMatchObject({
        kind: 'answered',
        task: { id: 'task-1', status: 'pending' },
        fingerprint: 'what task-1 received',
      });
      expect(await sealedTasks()).toEqual(['task-1']);
    }
  });

  it.each(points)('%s, and was only asleep, cannot have a second task accepted', async (_name, count) => {
    await takeSteps(claimOf('task-1'), count);
    await lapse();
    await claims.claim(claimOf('task-2'));
    for (const [, take] of STEPS.slice(count)) {
      if ((await take(claimOf('task-1'))) === false) break;
    }
    await tasks.seal('task-1', 1).catch(() => undefined);
    const next = await claims.claim(claimOf('task-3'));
    expect(next.kind).toBe(count < SEALED_AFTER ? 'in_use' : 'answered');
    if (count < SEALED_AFTER) await takeSteps(claimOf('task-2'));
    const accepted = await claims.claim(claimOf('task-4'));
    const only = count < SEALED_AFTER ? 'task-2' : 'task-1';
    expect(accepted).toMatchObject({ kind: 'answered', task: { id: only } });
  });
});

describe('a key', () => {
  it('is had by one of two hundred requests that come at once', async () => {
    const found = await Promise.all(
      Array.from({ length: 200 }, (_, index) => claims.claim(claimOf(`task-${index}`))),
    );
    expect(found.filter(({ kind }) => kind === 'claimed')).toHaveLength(1);
    expect(found.filter(({ kind }) => kind === 'in_use')).toHaveLength(199);
  });

  it('whose request died is had by one of two hundred', async () => {
    await takeSteps(claimOf('task-dead'), SEALED_AFTER - 1);
    await lapse();
    const found = await Promise.all(
      Array.from({ length: 200 }, (_, index) => claims.claim(claimOf(`task-${index}`))),
    );
    expect(found.filter(({ kind }) => kind === 'claimed')).toHaveLength(1);
    expect(await sealedTasks()).toEqual([]);
  });

  it('belongs to its client', async () => {
    expect((await claims.claim(claimOf('task-1'))).kind).toBe('claimed');
    expect((await claims.claim(claimOf('task-2', KEY, 'bob'))).kind).toBe('claimed');
    expect((await claims.claim(claimOf('task-3', `${KEY}!`))).kind).toBe('claimed');
    // Joined by whatever, these two would be the same.
    expect((await claims.claim(claimOf('task-4', 'b"c', 'a'))).kind).toBe('claimed');
    expect((await claims.claim(claimOf('task-5', 'c', 'a"b'))).kind).toBe('claimed');
  });

  it.each([
    ['claimed', 1, ['claim', 'lease']],
    ['confirmed', 4, ['claim', 'lease']],
    ['answered', 6, ['claim']],
  ])('that is %s has a lifetime under every name', async (_name, count, names) => {
    await takeSteps(claimOf('task-1'), count);
    const found = (await redis.keysUnder(keys.prefix)).filter((key) => key.includes('{key-'));
    expect(found.map((key) => key.slice(key.lastIndexOf(':') + 1))).toEqual(names);
    const ttls = await Promise.all(found.map((key) => redis.redis.pttl(key)));
    const longest = names.map((name) => (name === 'lease' ? LIFETIMES.leaseMs : LIFETIMES.keptMs));
    ttls.forEach((ttl, index) => {
      expect(ttl).toBeGreaterThan((longest[index] as number) / 2);
      expect(ttl).toBeLessThanOrEqual(longest[index] as number);
    });
  });

  it('has lifetimes after a takeover, too', async () => {
    await takeSteps(claimOf('task-1'), 4);
    await lapse();
    await claims.claim(claimOf('task-2'));
    expect(await redis.redis.pttl(keys.claim(CLIENT, KEY))).toBeGreaterThan(0);
    expect(await redis.redis.pttl(keys.lease(CLIENT, KEY))).toBeGreaterThan(0);
    expect(await redis.redis.hgetall(keys.claim(CLIENT, KEY))).toEqual({ task: 'task-2' });
  });

  it('is held for as long as it is renewed, even when the lease was missed and nobody came', async () => {
    await takeSteps(claimOf('task-1'), 2);
    await redis.redis.pexpire(keys.lease(CLIENT, KEY), 1_000);
    expect(await claims.hold(claimOf('task-1'))).toBe(true);
    expect(await redis.redis.pttl(keys.lease(CLIENT, KEY))).toBeGreaterThan(1_000);
    await lapse();
    expect(await claims.hold(claimOf('task-1'))).toBe(true);
    expect((await claims.claim(claimOf('task-2'))).kind).toBe('in_use');
  });

  it('keeps its fingerprint when it is renewed once more', async () => {
    await takeSteps(claimOf('task-1'), 4);
    await claims.hold(claimOf('task-1'));
    await takeSteps(claimOf('task-1'));
    expect(await claims.claim(claimOf('task-2'))).toMatchObject({ fingerprint: 'what task-1 received' });
  });

  it('is free again when its request came to nothing', async () => {
    await takeSteps(claimOf('task-1'), 4);
    await tasks.discard('task-1');
    expect(await claims.abandon(claimOf('task-1'))).toBe(true);
    expect(await redis.keysUnder(keys.prefix)).toEqual([]);
    expect((await claims.claim(claimOf('task-2'))).kind).toBe('claimed');
  });

  it('is answered when its request came to nothing and its task was sealed all the same', async () => {
    await takeSteps(claimOf('task-1'), SEALED_AFTER);
    expect(await claims.abandon(claimOf('task-1'))).toBe(true);
    expect(await claims.claim(claimOf('task-2'))).toMatchObject({ kind: 'answered', task: { id: 'task-1' } });
  });

  it('is not held by a request that has lost it', async () => {
    await takeSteps(claimOf('task-1'), 1);
    await lapse();
    await claims.claim(claimOf('task-2'));
    expect(await claims.hold(claimOf('task-1'))).toBe(false);
    expect(await claims.hold(claimOf('task-1'), 'what task-1 received')).toBe(false);
    expect(await redis.redis.get(keys.lease(CLIENT, KEY))).toBe('task-2');
    expect(await redis.redis.hgetall(keys.claim(CLIENT, KEY))).toEqual({ task: 'task-2' });
  });

  it('stays with a request that wakes up while another is about to take over', async () => {
    await takeSteps(claimOf('task-1'), 1);
    await lapse();
    const watched = new WatchedStore(connection, keys);
    watched.afterRead = () => claims.hold(claimOf('task-1'));
    const other = new ClaimStore(connection, keys, watched, LIFETIMES);
    expect((await other.claim(claimOf('task-2'))).kind).toBe('in_use');
    expect(await claims.hold(claimOf('task-1'), 'what task-1 received')).toBe(true);
  });

  it('is not answered with a task of which nobody said what was received', async () => {
    await takeSteps(claimOf('task-1'), 3);
    await tasks.seal('task-1', 1);
    expect(await claims.answer(claimOf('task-1'))).toBe(false);
    expect((await claims.claim(claimOf('task-2'))).kind).toBe('in_use');
  });

  it('is not freed by a request that has lost it', async () => {
    await takeSteps(claimOf('task-1'), 3);
    await lapse();
    await claims.claim(claimOf('task-2'));
    expect(await claims.abandon(claimOf('task-1'))).toBe(false);
    expect((await claims.claim(claimOf('task-3'))).kind).toBe('in_use');
  });

  it('is free once the results of its task have expired, and no earlier', async () => {
    await takeSteps(claimOf('task-1'));
    await tasks.begin('task-1', 0, ['iris@1 f']);
    const counts = { succeeded: 1, invalid: 0, failed: 0 };
    await tasks.commit('task-1', 0, { counts, segments: {} });
    now = NOW + RESULTS_MS - 1;
    expect(await claims.claim(claimOf('task-2'))).toMatchObject({ kind: 'answered', task: { id: 'task-1' } });
    now = NOW + RESULTS_MS;
    expect((await claims.claim(claimOf('task-3'))).kind).toBe('claimed');
  });

  it('is free when the deadline of its task has ended the upload', async () => {
    await claims.claim(claimOf('task-1'));
    await tasks.create({ ...record('task-1'), expiresInMs: 1 });
    await tasks.append('task-1', chunk);
    // The deadline is told by Redis's clock.
    while ((await tasks.end('task-1', 'expired')) === 'early');
    expect(await claims.abandon(claimOf('task-1'))).toBe(true);
    expect((await claims.claim(claimOf('task-2'))).kind).toBe('claimed');
  });

  it('is free when its task is gone', async () => {
    await takeSteps(claimOf('task-1'));
    await redis.redis.del(keys.task('task-1'));
    expect((await claims.claim(claimOf('task-2'))).kind).toBe('claimed');
  });
});

describe('any number of requests with one key', () => {
  const step = fc.oneof(
    { weight: 6, arbitrary: fc.record({ request: fc.nat(3), kind: fc.constant('step' as const) }) },
    { weight: 1, arbitrary: fc.record({ request: fc.nat(3), kind: fc.constant('again' as const) }) },
    { weight: 1, arbitrary: fc.record({ request: fc.nat(3), kind: fc.constant('fail' as const) }) },
    { weight: 2, arbitrary: fc.record({ request: fc.nat(3), kind: fc.constant('lapse' as const) }) },
  );

  it('have one task accepted, in any order, repetition and failure of their steps', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 8, maxLength: 60 }), async (steps) => {
        keys = redis.freshKeys();
        tasks = new TaskStore(connection, keys);
        claims = new ClaimStore(connection, keys, tasks, LIFETIMES);
        const reached = new Map<number, number>();
        for (const { request, kind } of steps) {
          const claim = claimOf(`task-${request}`);
          const at = reached.get(request) ?? 0;
          if (kind === 'lapse') await lapse();
          else if (kind === 'fail' && at > 0 && at < SEALED_AFTER) {
            await tasks.discard(claim.task);
            await claims.abandon(claim);
            reached.set(request, Number.POSITIVE_INFINITY);
          } else if (kind === 'again' && at > 0 && at < Number.POSITIVE_INFINITY) await takeAt(claim, at - 1);
          else if (kind === 'step' && at < STEPS.length) {
            reached.set(request, (await takeAt(claim, at)) ? at + 1 : Number.POSITIVE_INFINITY);
          }
          expect((await sealedTasks()).length).toBeLessThanOrEqual(1);
        }
      }),
      { numRuns: 150 },
    );
  });

  /** True when the request may go on. One that may not, undoes its task, as the API does. */
  async function takeAt(claim: Claim, at: number): Promise<boolean> {
    const taken = await (STEPS[at] as (typeof STEPS)[number])[1](claim);
    if (at === 0) return (taken as { kind: string }).kind === 'claimed';
    const goesOn = taken !== false && taken !== 'stopped';
    if (!goesOn && at < SEALED_AFTER) {
      await tasks.discard(claim.task);
      await claims.abandon(claim);
    }
    return goesOn;
  }
});
