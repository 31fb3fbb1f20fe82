/**
 * The retry store is responsible for what ties a finished task to its retry, so that however many ask for a retry at once,
 * and whichever API process dies at whichever step, it has one.
 *
 * The order of steps, each of which stands being sent again:
 *  1. The retry is created as a task that is being received. Chunk by chunk of the first task: `note` how many rows before
 *     this chunk can be retried, read its input, and store and queue the chunks that its rows make up.
 *  2. `link`: the first task's record names the retry. Refused when it names another one, which then is the answer, and
 *     when the task was erased; the retry is discarded.
 *  3. The retry is sealed: from here on it can finish.
 *
 * Where the process dies before 2, nobody has heard of the retry: it is an upload that broke off. Between 2 and 3
 * everything is stored, and the next request seals it. A retry that came to nothing all the same (it was erased, expired
 * or failed as a whole) is replaced by the next request. The first task's own status, ledger and results never change:
 * what came of the retry is merged when they are read, the k-th row of the retry being the k-th of the task's rows that
 * can be retried.
 */
import type { RedisConnection } from './connection.js';
import type { Keys } from './keys.js';
import { defineScripts, type Script } from './scripts/define-scripts.js';
import { RETRY_SCRIPTS, rowsBeforeField } from './scripts/retry-scripts.js';

export class RetryStore {
  private readonly scripts: Record<keyof typeof RETRY_SCRIPTS, Script>;

  constructor(
    private readonly redis: RedisConnection,
    private readonly keys: Keys,
  ) {
    this.scripts = defineScripts(redis, RETRY_SCRIPTS);
  }

  /** Notes how many rows before a chunk can be retried; false when the results are gone. */
  async note(task: string, chunk: number, rowsBefore: number): Promise<boolean> {
    const reply = await this.scripts.noteRetryable(
      this.keys.chunks(task),
      rowsBeforeField(chunk),
      rowsBefore,
    );
    return reply === 1;
  }

  /** How many rows before a chunk of a task that was retried could be; undefined when its results are gone. */
  async rowsBefore(task: string, chunk: number): Promise<number | undefined> {
    const rows = await this.redis.hget(this.keys.chunks(task), rowsBeforeField(chunk));
    return rows === null ? undefined : Number(rows);
  }

  /**
   * Makes a task the retry of another one.
   * @param dead the retry that it is linked to, if that came to nothing
   * @returns the retry that it has now; undefined when the task was erased or is gone
   */
  async link(task: string, retry: string, dead?: string): Promise<string | undefined> {
    const reply = await this.scripts.linkRetry(this.keys.task(task), retry, dead ?? '');
    return reply === '' ? undefined : (reply as string);
  }
}
