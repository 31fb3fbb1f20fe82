/** The producer is responsible for putting chunk jobs into the queue, and for saying how much waits there. */
import { Queue } from 'bullmq';
import type { Redis } from 'ioredis';
import { type ChunkJob, chunkJobId, chunkJobOptions, DEFAULT_POOL } from './chunk-job.js';
import type { Keys } from './keys.js';

const EVENTS_KEPT = 1_000;
const REMOVED_AT_ONCE = 100;

/** Jobs by state. */
export interface QueueDepth {
  waiting: number;
  active: number;
  delayed: number;
}

export class Producer {
  private readonly queue: Queue<ChunkJob, void, 'chunk'>;

  /** @param onError hears of connection errors; the call that met one rejects by itself */
  constructor(redis: Redis, keys: Keys, onError: (error: Error) => void) {
    this.queue = new Queue(DEFAULT_POOL, {
      connection: redis,
      prefix: keys.queuePrefix,
      // Without these two a queue that is made while Redis is away stays broken. serverProblems checks the version.
      skipWaitingForReady: true,
      skipVersionCheck: true,
      streams: { events: { maxLen: EVENTS_KEPT } },
    });
    this.queue.on('error', onError);
  }

  /** Adding the same chunk twice is adding it once. */
  async add(job: ChunkJob): Promise<void> {
    await this.queue.add('chunk', job, chunkJobOptions(job));
  }

  /** Removes the jobs of a task's first chunks. One that a worker holds stays; it will find its task gone. */
  async remove(task: string, chunks: number): Promise<void> {
    for (let start = 0; start < chunks; start += REMOVED_AT_ONCE) {
      const batch = Math.min(REMOVED_AT_ONCE, chunks - start);
      await Promise.all(
        Array.from({ length: batch }, (_, index) =>
          this.queue.remove(chunkJobId({ task, chunk: start + index })),
        ),
      );
    }
  }

  async depth(): Promise<QueueDepth> {
    const counts = await this.queue.getJobCounts('wait', 'prioritized', 'active', 'delayed');
    return {
      waiting: (counts.wait ?? 0) + (counts.prioritized ?? 0),
      active: counts.active ?? 0,
      delayed: counts.delayed ?? 0,
    };
  }

  async stop(): Promise<void> {
    await this.queue.close();
  }
}
