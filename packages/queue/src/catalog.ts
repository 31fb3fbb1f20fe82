/** What workers publish of the models they serve, and what the API reads of it. The API never opens a model. */
import { didYouMean } from '@millrace/batch/did-you-mean';
import { BatchError } from '@millrace/batch/errors';
import { ModelDescriptor, modelKey, parseModelRef } from '@millrace/batch/model';
import type { Redis } from 'ioredis';
import { z } from 'zod';
import { DESCRIPTOR_TTL_MS, HEARTBEAT_TTL_MS, type Keys, WORKER_INDEX_MS } from './keys.js';

const CACHE_MS = 1_000;

const WorkerBeat = z.object({ id: z.string(), models: z.array(z.string()) });
type WorkerBeat = z.infer<typeof WorkerBeat>;

/** Publishes, for one worker process, the versions it has loaded and proved. */
export class CatalogPublisher {
  constructor(
    private readonly redis: Redis,
    private readonly keys: Keys,
    private readonly workerId: string,
  ) {}

  /** To be called every `HEARTBEAT_MS`. */
  async beat(models: readonly ModelDescriptor[], now: number): Promise<void> {
    const beat: WorkerBeat = { id: this.workerId, models: models.map(modelKey) };
    const index = (key: string, member: string, keptMs: number) => [
      this.redis.zadd(key, now, member),
      this.redis.zremrangebyscore(key, '-inf', now - keptMs),
      this.redis.pexpire(key, keptMs),
    ];
    await Promise.all([
      ...models.flatMap((model) => [
        this.redis.set(this.keys.model(modelKey(model)), JSON.stringify(model), 'PX', DESCRIPTOR_TTL_MS),
        ...index(this.keys.models(), modelKey(model), DESCRIPTOR_TTL_MS),
      ]),
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

/** A model version as the API offers it. */
export interface CatalogEntry {
  model: ModelDescriptor;
  /** Live worker processes that serve it. */
  workers: number;
}

interface Snapshot {
  readAt: number;
  entries: Map<string, CatalogEntry>;
}

/** Reads the catalogue, at most once per second unless a name is not found. */
export class Catalog {
  private snapshot: Snapshot | undefined;
  private reading: Promise<Snapshot> | undefined;

  constructor(
    private readonly redis: Redis,
    private readonly keys: Keys,
    private readonly now: () => number = Date.now,
  ) {}

  /** All versions, by name and rising version. */
  async list(): Promise<CatalogEntry[]> {
    const { entries } = await this.current();
    return [...entries.values()].sort(
      (a, b) => a.model.name.localeCompare(b.model.name) || a.model.version - b.model.version,
    );
  }

  /** What is served under `name@version`; undefined when nothing is. */
  async get(key: string): Promise<CatalogEntry | undefined> {
    return (await this.current()).entries.get(key);
  }

  /**
   * The version that `iris` (the highest) or `iris@2` stands for.
   * @throws BatchError `unknown_model`
   */
  async resolve(ref: string): Promise<CatalogEntry> {
    const found = find(ref, (await this.current()).entries) ?? find(ref, (await this.refresh()).entries);
    if (found !== undefined) return found;
    const served = [...(await this.current()).entries.keys()];
    const names = [...new Set(served.map((key) => key.slice(0, key.indexOf('@'))))];
    throw new BatchError(
      'unknown_model',
      `no worker serves "${ref}"${didYouMean(ref, [...names, ...served])}`,
      {
        models: served,
      },
    );
  }

  private async current(): Promise<Snapshot> {
    const snapshot = this.snapshot;
    return snapshot !== undefined && this.now() - snapshot.readAt < CACHE_MS ? snapshot : this.refresh();
  }

  private refresh(): Promise<Snapshot> {
    this.reading ??= this.read().finally(() => {
      this.reading = undefined;
    });
    return this.reading;
  }

  private async read(): Promise<Snapshot> {
    const readAt = this.now();
    const [modelNames, workerIds] = await Promise.all([
      this.redis.zrange(this.keys.models(), 0, '-1'),
      // Whose own key is gone has fallen silent; comparing times would compare the clocks of two machines.
      this.redis.zrange(this.keys.workers(), 0, '-1'),
    ]);
    const [models, beats] = await Promise.all([
      this.readAll(modelNames.map(this.keys.model), ModelDescriptor),
      this.readAll(workerIds.map(this.keys.worker), WorkerBeat),
    ]);
    const entries = models.map((model): [string, CatalogEntry] => {
      const key = modelKey(model);
      return [key, { model, workers: beats.filter((beat) => beat.models.includes(key)).length }];
    });
    this.snapshot = { readAt, entries: new Map(entries) };
    return this.snapshot;
  }

  /** Leaves out what another release of the platform published in a form this one does not know. */
  private async readAll<T>(keys: string[], schema: z.ZodType<T>): Promise<T[]> {
    const texts = await Promise.all(keys.map((key) => this.redis.get(key)));
    const found = texts.filter((text) => text !== null);
    return found.flatMap((text) => schema.safeParse(JSON.parse(text)).data ?? []);
  }
}

function find(ref: string, entries: Map<string, CatalogEntry>): CatalogEntry | undefined {
  const parsed = parseModelRef(ref);
  if (parsed === undefined) return undefined;
  if (parsed.version !== undefined) return entries.get(`${parsed.name}@${parsed.version}`);
  let latest: CatalogEntry | undefined;
  for (const entry of entries.values()) {
    if (entry.model.name === parsed.name && entry.model.version > (latest?.model.version ?? 0))
      latest = entry;
  }
  return latest;
}
