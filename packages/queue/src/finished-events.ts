/** Hears which tasks have finished, so that a waiting request wakes by the event and not by asking again. */
import type { RedisConnection } from './connection.js';
import type { Keys } from './keys.js';

export class FinishedEvents {
  private readonly waiters = new Map<string, Set<() => void>>();

  /** @param redis a connection of its own: it can do nothing but listen afterwards */
  constructor(
    private readonly redis: RedisConnection,
    private readonly keys: Keys,
  ) {
    redis.on('message', (_channel: string, id: string) => {
      for (const wake of this.waiters.get(id) ?? []) wake();
    });
  }

  async start(): Promise<void> {
    await this.redis.subscribe(this.keys.finished());
  }

  /**
   * Starts listening for a task now and resolves when it finishes, after `ms`, or with the signal. Ask the store after
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
