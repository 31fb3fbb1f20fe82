/** Hears which tasks have finished. */
import type { RedisConnection } from './connection.js';
import type { Keys } from './keys.js';
import { TaskEvents } from './task-events.js';

export class FinishedEvents extends TaskEvents {
  constructor(redis: RedisConnection, keys: Keys) {
    super(redis, [keys.finished()]);
  }
}
