/**
 * The task index is responsible for knowing which tasks there are: the unfinished ones, and those with results by the time
 * when these expire. It lives beside the tasks, on another node of a cluster perhaps, and may be behind them: a task is
 * added before it is recorded, and removed after it has finished, so it names too many at times and never too few.
 */
import type { Task } from '@millrace/batch/task';
import type { RedisConnection } from './connection.js';
import { DEFAULT_LIFETIMES, INDEX_MS, type Keys } from './keys.js';
import { defineScripts, type Script } from './scripts/define-scripts.js';
import { INDEX_SCRIPTS } from './scripts/index-scripts.js';

/** Tasks that are named in one answer, or so. */
const PAGE = 1_000;

export interface IndexedTask {
  id: string;
  /** Milliseconds since the epoch. */
  createdAt: number;
}

/** What the index needs to know of a task that has ended. */
export type EndedTask = Pick<Task, 'id' | 'expiresAt' | 'resultBytes'>;

export class TaskIndex {
  private readonly scripts: Record<keyof typeof INDEX_SCRIPTS, Script>;

  constructor(
    private readonly redis: RedisConnection,
    private readonly keys: Keys,
  ) {
    this.scripts = defineScripts(redis, INDEX_SCRIPTS);
  }

  /** To be called before the task is recorded. True when it was not there. @param createdAt milliseconds since the epoch */
  async add(id: string, createdAt: number): Promise<boolean> {
    const { unfinishedMs } = DEFAULT_LIFETIMES;
    return (await this.scripts.addUnfinished(this.keys.unfinished(), id, createdAt, unfinishedMs)) === 1;
  }

  /** Moves a task that has ended from the unfinished ones to those with results, if it has some. */
  async settle({ id, expiresAt, resultBytes }: EndedTask): Promise<void> {
    if (expiresAt !== undefined && resultBytes > 0) {
      const [results, bytes] = this.resultKeys();
      await this.scripts.addResults(results, bytes, id, expiresAt, resultBytes, INDEX_MS);
    }
    await this.redis.zrem(this.keys.unfinished(), id);
  }

  /** Takes a task out that is gone. */
  async remove(id: string): Promise<void> {
    await this.redis.zrem(this.keys.unfinished(), id);
  }

  /** Some of the unfinished tasks, and where the next ones are; begins and ends with cursor `0`. A task may come twice. */
  async unfinished(cursor: string): Promise<{ tasks: IndexedTask[]; next: string }> {
    const [next, flat] = await this.redis.zscan(this.keys.unfinished(), cursor, 'COUNT', PAGE);
    const tasks: IndexedTask[] = [];
    for (let at = 0; at < flat.length; at += 2)
      tasks.push({ id: flat[at] as string, createdAt: Number(flat[at + 1]) });
    return { tasks, next };
  }

  /** The ids of finished tasks whose results expire first. @param until only of those that have expired by then, in milliseconds since the epoch */
  async firstResults(limit: number, until: number | '+inf' = '+inf'): Promise<string[]> {
    return this.redis.zrangebyscore(this.keys.results(), '-inf', until, 'LIMIT', 0, limit);
  }

  /** To be called when the results of these tasks are gone. */
  async removeResults(ids: readonly string[]): Promise<void> {
    if (ids.length > 0) await this.scripts.removeResults(...this.resultKeys(), ...ids);
  }

  /** Bytes of the results of all finished tasks. */
  async resultBytes(): Promise<number> {
    return Number((await this.redis.hget(this.keys.resultBytes(), 'total')) ?? 0);
  }

  private resultKeys(): [string, string] {
    return [this.keys.results(), this.keys.resultBytes()];
  }
}
