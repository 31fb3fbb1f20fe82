/** Hears what happens to tasks, so that a waiting request wakes by the event and not by asking again. */
import type { RedisConnection } from './connection.js';

export interface Listening {
  /** Resolves with the event; never once it was stopped. */
  heard: Promise<void>;
  stop(): void;
}

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

  /** Listens for a task's next event from now on. Ask the store after calling this and not before, or the event may fall between the two. */
  listen(id: string): Listening {
    const waiting = this.waiters.get(id) ?? new Set();
    this.waiters.set(id, waiting);
    let wake = () => {};
    const stop = () => {
      waiting.delete(wake);
      if (waiting.size === 0 && this.waiters.get(id) === waiting) this.waiters.delete(id);
    };
    const heard = new Promise<void>((resolve) => {
      wake = () => {
        stop();
        resolve();
      };
    });
    waiting.add(wake);
    return { heard, stop };
  }

  /** Starts listening for a task now, as `listen`, and resolves with its next event, after `ms`, or with the signal. */
  wait(id: string, ms: number, signal: AbortSignal): Promise<void> {
    const { heard, stop } = this.listen(id);
    return within(heard, ms, signal).finally(stop);
  }
}

/** Resolves with the event, after `ms`, or with the signal. */
function within(heard: Promise<void>, ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal.addEventListener('abort', end);
    if (signal.aborted) end();
    heard.then(end);
  });
}
