/** The catalogue publisher is responsible for what one worker process says of the models that it has loaded and proved. */
import {
  type ModelAliases,
  type ModelDescriptor,
  modelKey,
  modelPin,
  type Refusal,
} from '@millrace/batch/model';
import type { RedisConnection } from './connection.js';
import { DESCRIPTOR_TTL_MS, HEARTBEAT_TTL_MS, type Keys, WORKER_INDEX_MS } from './keys.js';
import type { WorkerBeat } from './worker-beat.js';

/** What one worker says of its models. */
export interface ServedModels {
  served: readonly ModelDescriptor[];
  refused: readonly Refusal[];
  /** By model name. */
  aliases: Readonly<Record<string, ModelAliases>>;
  /** False while the worker has not yet looked at everything: what it does not say may still come. */
  isComplete?: boolean;
}

export class CatalogPublisher {
  private published = new Map<string, ModelDescriptor>();

  constructor(
    private readonly redis: RedisConnection,
    private readonly keys: Keys,
    private readonly workerId: string,
    private readonly threads = 1,
  ) {}

  /** To be called every `HEARTBEAT_MS`, and when the models change. */
  async beat({ served, refused, aliases, isComplete = true }: ServedModels, now: number): Promise<void> {
    const beat: WorkerBeat = {
      id: this.workerId,
      pins: served.map(modelPin),
      refused: [...refused],
      aliases,
      is_complete: isComplete,
      threads: this.threads,
    };
    const index = (key: string, member: string, keptMs: number) => [
      this.redis.zadd(key, now, member),
      this.redis.zremrangebyscore(key, '-inf', now - keptMs),
      this.redis.pexpire(key, keptMs),
    ];
    const models = new Map(served.map((model) => [modelKey(model), model]));
    const removed = [...this.published.keys()].filter((key) => !models.has(key));
    this.published = models;
    await Promise.all([
      // Another worker that still serves it publishes it again with its next beat.
      ...removed.flatMap((key) => [
        this.redis.zrem(this.keys.models(), key),
        this.redis.del(this.keys.model(key)),
      ]),
      ...served.flatMap((model) => [
        this.redis.set(this.keys.model(modelKey(model)), JSON.stringify(model), 'PX', DESCRIPTOR_TTL_MS),
        ...index(this.keys.models(), modelKey(model), DESCRIPTOR_TTL_MS),
      ]),
      ...Object.entries(aliases).map(([name, each]) =>
        this.redis.set(this.keys.aliases(name), JSON.stringify(each), 'PX', DESCRIPTOR_TTL_MS),
      ),
      this.redis.set(this.keys.worker(this.workerId), JSON.stringify(beat), 'PX', HEARTBEAT_TTL_MS),
      ...index(this.keys.workers(), this.workerId, WORKER_INDEX_MS),
    ]);
  }

  /** Says at once that this worker serves nothing any more. */
  async leave(): Promise<void> {
    await Promise.all([
      this.redis.del(this.keys.worker(this.workerId)),
      this.redis.zrem(this.keys.workers(), this.workerId),
    ]);
  }
}
