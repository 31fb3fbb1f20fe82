/** A Redis meter is responsible for what a run leaves in a Redis server, and the most that it holds meanwhile. */
import type { Redis } from 'ioredis';
import type { RedisUse } from '../report.js';

const LOOK_MS = 100;
/** Erased values are freed by a thread of Redis's own, soon after. */
const FREED_MS = 10_000;

interface Memory {
  /** All that it has allocated, buffers of connections and of the file among it. */
  used: number;
  /** Keys and values alone. */
  dataset: number;
  /** Values that are still to be freed. */
  pending: number;
}

export class RedisMeter {
  private peak: number;
  private readonly timer: NodeJS.Timeout;

  private constructor(
    private readonly redis: Redis,
    private readonly before: Memory,
  ) {
    this.peak = before.used;
    this.timer = setInterval(() => this.look().catch(() => {}), LOOK_MS);
  }

  static async start(redis: Redis): Promise<RedisMeter> {
    let before = await readMemory(redis);
    for (const end = performance.now() + FREED_MS; before.pending > 0 && performance.now() < end; ) {
      before = await readMemory(redis);
    }
    return new RedisMeter(redis, before);
  }

  /** To be called before the results are erased. */
  async stop(): Promise<RedisUse> {
    clearInterval(this.timer);
    const { dataset } = await this.look();
    return { stored_bytes: dataset - this.before.dataset, peak_bytes: this.peak - this.before.used };
  }

  private async look(): Promise<Memory> {
    const memory = await readMemory(this.redis);
    this.peak = Math.max(this.peak, memory.used);
    return memory;
  }
}

async function readMemory(redis: Redis): Promise<Memory> {
  const info = await redis.info('memory');
  const value = (name: string) => Number(new RegExp(`^${name}:(\\d+)`, 'm').exec(info)?.[1]);
  return {
    used: value('used_memory'),
    dataset: value('used_memory_dataset'),
    pending: value('lazyfree_pending_objects'),
  };
}
