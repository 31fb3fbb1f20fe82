/** A Redis meter is responsible for what a run leaves in a Redis server, and the most that it holds meanwhile. */
import type { Redis } from 'ioredis';
import type { RedisUse } from '../report.js';

const LOOK_MS = 100;

export class RedisMeter {
  private peak: number;
  private readonly timer: NodeJS.Timeout;

  private constructor(
    private readonly redis: Redis,
    private readonly before: number,
  ) {
    this.peak = before;
    this.timer = setInterval(() => this.look().catch(() => {}), LOOK_MS);
  }

  static async start(redis: Redis): Promise<RedisMeter> {
    return new RedisMeter(redis, await usedMemory(redis));
  }

  /** To be called before the results are erased. */
  async stop(): Promise<RedisUse> {
    clearInterval(this.timer);
    const after = await this.look();
    return { stored_bytes: after - this.before, peak_bytes: this.peak - this.before };
  }

  private async look(): Promise<number> {
    const used = await usedMemory(this.redis);
    this.peak = Math.max(this.peak, used);
    return used;
  }
}

async function usedMemory(redis: Redis): Promise<number> {
  return Number(/^used_memory:(\d+)/m.exec(await redis.info('memory'))?.[1]);
}
