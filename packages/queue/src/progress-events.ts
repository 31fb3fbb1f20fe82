/** Hears which tasks have new results: a chunk was committed, or the task has ended. */
import type { RedisConnection } from './connection.js';
import type { Keys } from './keys.js';
import { TaskEvents } from './task-events.js';

export class ProgressEvents extends TaskEvents {
  constructor(redis: RedisConnection, keys: Keys) {
    super(redis, [keys.progress(), keys.finished()]);
  }
}
