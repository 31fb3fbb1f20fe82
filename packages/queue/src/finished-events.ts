/**
 * Hears which tasks have finished, and remembers the last of them: who has just read a task need not read it again to wait
 * for its end. For those who wait once: should Redis lose the end of a task, it is remembered all the same.
 */
import type { RedisConnection } from './connection.js';
import type { Keys } from './keys.js';
import { TaskEvents } from './task-events.js';

/** Far more than finish between a look at a task and the wait for its end. */
const REMEMBERED = 10_000;

export class FinishedEvents extends TaskEvents {
  /** In the order in which they were heard. */
  private readonly last = new Set<string>();

  constructor(redis: RedisConnection, keys: Keys) {
    super(redis, [keys.finished()]);
    redis.on('message', (channel: string, id: string) => {
      if (channel === keys.finished()) this.remember(id);
    });
  }

  /** As `TaskEvents.wait`; resolves at once when the end has been heard before. */
  override async wait(id: string, ms: number, signal: AbortSignal): Promise<void> {
    if (!this.last.has(id)) await super.wait(id, ms, signal);
  }

  private remember(id: string): void {
    this.last.add(id);
    if (this.last.size <= REMEMBERED) return;
    const [first] = this.last;
    this.last.delete(first as string);
  }
}
