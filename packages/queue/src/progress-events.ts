/** Hears which tasks have new results: a chunk was committed, or the task has ended. */
import type { Redis } from 'ioredis';
import type { Keys } from './keys.js';
import { TaskEvents } from './task-events.js';

export class ProgressEvents extends TaskEvents {
  constructor(redis: Redis, keys: Keys) {
    super(redis, [keys.progress(), keys.finished()]);
  }
}
