/** The scheduler beat is how others know that somebody makes the runs of schedules: one key that every scheduler process renews. */
import type { RedisConnection } from '../connection.js';
import { HEARTBEAT_TTL_MS, type Keys } from '../keys.js';

export class SchedulerBeat {
  constructor(
    private readonly redis: RedisConnection,
    private readonly keys: Keys,
  ) {}

  /** To be called every `HEARTBEAT_MS`. */
  async beat(): Promise<void> {
    await this.redis.set(this.keys.schedulers(), '1', 'PX', HEARTBEAT_TTL_MS);
  }

  /** Whether a scheduler process lives, or has ended less than `HEARTBEAT_TTL_MS` ago. */
  async isHeard(): Promise<boolean> {
    return (await this.redis.exists(this.keys.schedulers())) === 1;
  }
}
