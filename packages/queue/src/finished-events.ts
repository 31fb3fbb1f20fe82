/** Hears which tasks have finished. */
import type { Redis } from 'ioredis';
import type { Keys } from './keys.js';
import { TaskEvents } from './task-events.js';

export class FinishedEvents extends TaskEvents {
  constructor(redis: Redis, keys: Keys) {
    super(redis, [keys.finished()]);
  }
}
