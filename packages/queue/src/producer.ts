/** The producer is responsible for putting chunk jobs into the queues, one for each pool, and for saying how much waits there. */
import { Queue } from 'bullmq';
import { type ChunkJob, chunkJobId, chunkJobOptions, chunkOfJobId } from './chunk-job.js';
import type { RedisConnection } from './connection.js';
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
  private readonly queues = new Map<string, Queue<ChunkJob, void, 'chunk'>>();

  /** @param onError hears of connection errors; the call that met one rejects by itself */
  constructor(
    private readonly redis: RedisConnection,
    private readonly keys: Keys,
    private readonly onError: (error: Error) => void,
  ) {}

  /** Adding the same chunk twice is adding it once. */
  async add(pool: string, job: ChunkJob): Promise<void> {
    await this.queue(pool).add('chunk', job, chunkJobOptions(job));
  }

  /** Removes the jobs of a task's first chunks. One that a worker holds stays; it will find its task gone. */
  async remove(pool: string, task: string, chunks: number): Promise<void> {
    const queue = this.queue(pool);
    for (let start = 0; start < chunks; start += REMOVED_AT_ONCE) {
      const batch = Math.min(REMOVED_AT_ONCE, chunks - start);
      await Promise.all(
        Array.from({ length: batch }, (_, index) => queue.remove(chunkJobId({ task, chunk: start + index }))),
      );
    }
  }

  /** Removes the job of one chunk, as `remove` does. */
  async removeOne(pool: string, job: ChunkJob): Promise<void> {
    await this.queue(pool).remove(chunkJobId(job));
  }

  /** Which of a task's chunks have no job that is to run: none at all, or one that BullMQ has given up. */
  async withoutJob(pool: string, task: string, chunks: readonly number[]): Promise<number[]> {
    const queue = this.queue(pool);
    const jobs = await Promise.all(
      chunks.map((chunk) => this.redis.hmget(queue.toKey(chunkJobId({ task, chunk })), 'data', 'finishedOn')),
    );
    return chunks.filter((_, at) => jobs[at]?.[0] === null || jobs[at]?.[1] !== null);
  }

  /** Puts a chunk into the queue whose job is lost or was given up. One that waits or runs stays as it is. */
  async requeue(pool: string, job: ChunkJob): Promise<void> {
    await this.removeOne(pool, job);
    await this.add(pool, job);
  }

  /** Some of the jobs that wait in a pool, from the one at this place on. */
  async waiting(pool: string, from: number, count: number): Promise<Pick<ChunkJob, 'task' | 'chunk'>[]> {
    const ids = await this.queue(pool).getRanges(['prioritized', 'delayed', 'wait'], from, from + count - 1);
    return ids.flatMap((id) => chunkOfJobId(id) ?? []);
  }

  async depth(pool: string): Promise<QueueDepth> {
    const counts = await this.queue(pool).getJobCounts('wait', 'prioritized', 'active', 'delayed');
    return {
      waiting: (counts.wait ?? 0) + (counts.prioritized ?? 0),
      active: counts.active ?? 0,
      delayed: counts.delayed ?? 0,
    };
  }

  async stop(): Promise<void> {
    await Promise.all([...this.queues.values()].map((queue) => queue.close()));
  }

  private queue(pool: string): Queue<ChunkJob, void, 'chunk'> {
    const known = this.queues.get(pool);
    if (known !== undefined) return known;
    const queue = new Queue<ChunkJob, void, 'chunk'>(pool, {
      connection: this.redis,
      prefix: this.keys.queuePrefix,
      // Without these two a queue that is made while Redis is away stays broken. serverProblems checks the version.
      skipWaitingForReady: true,
      skipVersionCheck: true,
      streams: { events: { maxLen: EVENTS_KEPT } },
    });
    queue.on('error', this.onError);
    this.queues.set(pool, queue);
    return queue;
  }
}
