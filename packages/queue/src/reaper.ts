/**
 * The reaper is responsible for putting right what a crash can leave behind: uploads without an uploader, chunks without a
 * job, jobs without a task, tasks that the index does not know, keys without a lifetime; and for what nobody else comes by to
 * do: deadlines that pass, caches and results that must go before their time. It runs in every worker. They take turns to save work,
 * not to be safe: each of its steps may be done by any number of them at once. Each turn does a bounded piece and goes on
 * where this reaper's last one ended.
 */
import { isTerminal } from '@millrace/batch/status';
import type { Task } from '@millrace/batch/task';
import { masters, type RedisConnection } from './connection.js';
import { DEFAULT_LIFETIMES, type Keys } from './keys.js';
import { memoryUse, memoryUses, shareOf } from './memory.js';
import { Producer } from './producer.js';
import { CROWDED_SHARE } from './scripts/cache-scripts.js';
import type { IndexedTask } from './task-index.js';
import type { TaskStore } from './task-store.js';

/** What there was to mend. */
export const MENDS = ['upload', 'chunk', 'job', 'index', 'lifetime'] as const;
export type Mend = (typeof MENDS)[number];

export interface ReaperOptions {
  redis: RedisConnection;
  keys: Keys;
  store: TaskStore;
  /** Names this reaper among the others. */
  id: string;
  /** Milliseconds from turn to turn, of all reapers together. */
  intervalMs: number;
  /** Bytes of results beyond which the oldest go before their time; 0: as many as leave Redis room, if it is limited. */
  maxResultBytes: number;
  /** Something was mended. */
  onMend(what: Mend, about: Record<string, unknown>): void;
  /** The results of a task have gone before their time. */
  onExpire(task: string): void;
  onError(error: unknown): void;
}

/** Tasks that are looked at at once. */
const AT_ONCE = 50;
/** Chunks that are looked at in one turn, and of one task; the last ones may go beyond it. */
const CHUNKS_PER_TURN = 2_000;
/** Jobs and keys that are looked at in one turn. */
const JOBS_PER_TURN = 500;
const KEYS_PER_TURN = 500;
/** Tasks whose results are expired before their time in one turn. */
const EXPIRED_PER_TURN = 1_000;
/** Of what Redis may use, what results may have; and what may be used of it before the oldest of them go. */
const RESULTS_SHARE = 0.5;
const MEMORY_SHARE = 0.8;
/** Longer than any step takes between two keys that belong together. */
const SETTLE_MS = 60_000;

export class Reaper {
  private timer: NodeJS.Timeout | undefined;
  private turn: Promise<void> | undefined;
  private taskCursor = '0';
  /** Per node of a cluster, or of the one server. */
  private readonly keyCursors = new Map<string, string>();
  /** Per pool, at which place the next waiting job is to be looked at. */
  private readonly jobPlaces = new Map<string, number>();
  /** Of the last page of tasks, those that are still to be looked at. */
  private unread: IndexedTask[] = [];
  private chunksLeft = 0;
  private readonly producer: Producer;

  constructor(private readonly options: ReaperOptions) {
    this.producer = new Producer(options.redis, options.keys, options.onError);
  }

  start(): void {
    this.timer = setInterval(() => {
      // While Redis is away a turn lasts, and none is added to it.
      this.turn ??= this.takeTurn()
        .catch(this.options.onError)
        .finally(() => {
          this.turn = undefined;
        });
    }, this.options.intervalMs);
  }

  async stop(): Promise<void> {
    clearInterval(this.timer);
    await this.turn;
    await this.producer.stop();
  }

  /** A turn with all its steps. What one of them meets keeps nobody from the next. */
  async reap(): Promise<void> {
    await this.attempt(() => this.expireResults());
    await this.mend();
  }

  private async takeTurn(): Promise<void> {
    const { redis, keys, id, intervalMs } = this.options;
    // Whoever's turn it is: where Redis is full, nobody can take it, and this is what makes room.
    await this.attempt(() => this.expireResults());
    const isMine = await redis.set(keys.reaper(), id, 'PX', Math.ceil(intervalMs * 0.9), 'NX');
    if (isMine === 'OK') await this.mend();
  }

  private async mend(): Promise<void> {
    await this.attempt(() => this.lookAtTasks());
    await this.attempt(() => this.lookAtKeys());
  }

  private async attempt(step: () => Promise<unknown>): Promise<void> {
    await step().catch(this.options.onError);
  }

  private async lookAtTasks(): Promise<void> {
    if (this.unread.length === 0) {
      const { tasks, next } = await this.options.store.index.unfinished(this.taskCursor);
      this.taskCursor = next;
      this.unread = tasks;
    }
    this.chunksLeft = CHUNKS_PER_TURN;
    while (this.unread.length > 0 && this.chunksLeft > 0) {
      const some = this.unread.splice(0, AT_ONCE);
      const received = await Promise.all(
        some.map((task) => this.lookAtTask(task).catch(this.options.onError)),
      );
      for (const task of received) if (task) await this.attempt(() => this.lookAtChunks(task));
    }
  }

  /** The task, if its chunks are to be looked at. */
  private async lookAtTask({ id, createdAt }: IndexedTask): Promise<Task | undefined> {
    const { store } = this.options;
    const task = await store.read(id);
    const isNew = Date.now() - createdAt <= store.lifetimes.leaseMs;
    if (task === undefined) {
      // It is indexed before it is recorded, by an API process that may have ended in between.
      if (!isNew) await store.index.remove(id);
      return undefined;
    }
    if (isTerminal(task.status)) await store.index.settle(task);
    else if (task.status === 'receiving') await this.lookAtUpload(task);
    // One that came whole is queued after it is recorded.
    else if (!isNew) return task;
    return undefined;
  }

  private async lookAtUpload({ id, pool, chunks }: Task): Promise<void> {
    const { store, onMend } = this.options;
    if (!(await store.abortLapsed(id))) return;
    onMend('upload', { task_id: id });
    await this.producer.remove(pool, id, chunks);
  }

  /** All chunks of a task that was received, and is not new, were queued, or whoever was about to has died. */
  private async lookAtChunks({ id, pool }: Task): Promise<void> {
    const { store, onMend } = this.options;
    // The first ones are run first; the others have their turn when these are done.
    const open = (await store.openChunks(id)).slice(0, CHUNKS_PER_TURN);
    this.chunksLeft -= open.length;
    const jobless = await this.producer.withoutJob(pool, id, open);
    if (jobless.length === 0) return;
    // A job goes when its chunk is done: one that was missed and is still open has lost it.
    for (const chunk of await store.openChunks(id, jobless)) {
      await this.producer.requeue(pool, { task: id, chunk });
      onMend('chunk', { task_id: id, chunk });
    }
  }

  private async expireResults(): Promise<void> {
    const { store, onExpire } = this.options;
    await store.index.removeResults(await store.index.firstResults(KEYS_PER_TURN, Date.now()));
    // Redis has their room a little later: the next turn looks whether it is enough.
    if (await this.dropCaches()) return;
    for (let expired = 0; expired < EXPIRED_PER_TURN && (await this.holdsTooMuch()); expired++) {
      const [oldest] = await store.index.firstResults(1);
      if (oldest === undefined) return;
      await store.expireResults(oldest);
      await store.index.removeResults([oldest]);
      onExpire(oldest);
    }
  }

  /** What can be predicted again makes way first: of versions, too, that nothing is kept for any more. True when something did. */
  private async dropCaches(): Promise<boolean> {
    const { redis, keys } = this.options;
    const pins = await redis.smembers(keys.caches());
    if (pins.length === 0 || shareOf(await memoryUse(redis)) <= CROWDED_SHARE) return false;
    const dropped = await Promise.all(
      pins.map((pin) => redis.unlink(keys.cachedRows(pin), keys.olderCachedRows(pin))),
    );
    await redis.srem(keys.caches(), ...pins);
    return dropped.some((count) => count > 0);
  }

  /** True when the results of all tasks are too large. Without a limit for them, they may not keep new work out. */
  private async holdsTooMuch(): Promise<boolean> {
    const { redis, store, maxResultBytes } = this.options;
    const bytes = await store.index.resultBytes();
    if (maxResultBytes > 0) return bytes > maxResultBytes;
    const uses = await memoryUses(redis);
    if (uses.some(({ max }) => max === 0)) return false;
    const limit = uses.reduce((sum, { max }) => sum + max, 0) * RESULTS_SHARE;
    // Small tasks cost more than their results.
    return bytes > limit || (bytes > 0 && uses.some((use) => shareOf(use) > MEMORY_SHARE));
  }

  private async lookAtKeys(): Promise<void> {
    const { redis, keys } = this.options;
    for (const node of masters(redis)) {
      const name = `${node.options.host}:${node.options.port}`;
      const cursor = this.keyCursors.get(name) ?? '0';
      const [next, found] = await node.scan(cursor, 'MATCH', `*${keys.prefix}*`, 'COUNT', KEYS_PER_TURN);
      this.keyCursors.set(name, next);
      const own = found.filter((key) => keys.owns(key));
      await Promise.all(own.map((key) => this.attempt(() => this.lookAtKey(key))));
    }
  }

  private async lookAtKey(key: string): Promise<void> {
    const { redis, keys, store, onMend } = this.options;
    if (keys.isQueue(key)) {
      const pool = keys.poolOf(key);
      return pool === undefined ? undefined : this.lookAtJobs(pool);
    }
    if ((await redis.pttl(key)) === -1) {
      await redis.pexpire(key, DEFAULT_LIFETIMES.unfinishedMs);
      onMend('lifetime', { key });
    }
    const id = keys.taskOf(key);
    if (id === undefined) return;
    const task = await store.read(id);
    if (task === undefined || isTerminal(task.status) || Date.now() - task.createdAt < SETTLE_MS) return;
    if (await store.index.add(id, task.createdAt)) onMend('index', { task_id: id });
  }

  /** Removes jobs whose task has ended or is gone, which nobody takes when no worker of the pool runs. */
  private async lookAtJobs(pool: string): Promise<void> {
    const { store, onMend } = this.options;
    const from = this.jobPlaces.get(pool) ?? 0;
    const jobs = await this.producer.waiting(pool, from, JOBS_PER_TURN);
    this.jobPlaces.set(pool, jobs.length === 0 ? 0 : from + jobs.length);
    for (const id of new Set(jobs.map(({ task }) => task))) {
      const task = await store.read(id);
      // Whoever ends a task removes its jobs right afterwards.
      const endedAt = task === undefined ? 0 : task.finishedAt;
      if (endedAt === undefined || Date.now() - endedAt < SETTLE_MS) continue;
      const chunks = jobs.filter((job) => job.task === id).map(({ chunk }) => chunk);
      for (const chunk of chunks) await this.producer.removeOne(pool, { task: id, chunk });
      onMend('job', { task_id: id, jobs: chunks.length });
    }
  }
}
