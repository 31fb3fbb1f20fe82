/** Hears what happens to tasks, so that a waiting request wakes by the event and not by asking again. */
import type { RedisConnection } from './connection.js';

export class TaskEvents {
  private readonly waiters = new Map<string, Set<() => void>>();

  /**
   * @param redis a connection for listening: it can do nothing else afterwards
   * @param channels on which ids of tasks are published
   */
  constructor(
    private readonly redis: RedisConnection,
    private readonly channels: readonly string[],
  ) {
    redis.on('message', (channel: string, id: string) => {
      if (!channels.includes(channel)) return;
      for (const wake of this.waiters.get(id) ?? []) wake();
    });
  }

  async start(): Promise<void> {
    await this.redis.subscribe(...this.channels);
  }

  /**
   * Starts listening for a task now and resolves with its next event, after `ms`, or with the signal. Ask the store after
   * calling this and not before, or the event may fall between the two.
   */
  wait(id: string, ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        clearTimeout(timer);
        signal.removeEventListener('abort', wake);
        const waiting = this.waiters.get(id);
        waiting?.delete(wake);
        if (waiting?.size === 0) this.waiters.delete(id);
        resolve();
      };
      const timer = setTimeout(wake, ms);
      signal.addEventListener('abort', wake);
      const waiting = this.waiters.get(id) ?? new Set();
      this.waiters.set(id, waiting.add(wake));
      if (signal.aborted) wake();
    });
  }
}
