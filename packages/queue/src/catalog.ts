/** The catalogue is what the API knows of models: what workers publish of those that they serve. The API never opens a model. */
import { didYouMean } from '@millrace/batch/did-you-mean';
import { BatchError } from '@millrace/batch/errors';
import {
  ModelAliases,
  ModelDescriptor,
  modelKey,
  modelPin,
  parseModelRef,
  type Refusal,
} from '@millrace/batch/model';
import type { z } from 'zod';
import type { RedisConnection } from './connection.js';
import type { Keys } from './keys.js';
import { WorkerBeat } from './worker-beat.js';

const CACHE_MS = 1_000;

/** A model version as the API offers it. */
export interface CatalogEntry {
  model: ModelDescriptor;
  /** Live worker processes that serve it. */
  workers: number;
  /** Inference threads that these have together. */
  threads: number;
}

/** A model with all its versions. */
export interface CatalogModel {
  name: string;
  /** By rising version. */
  versions: CatalogEntry[];
  /** The version that each alias stands for. */
  aliases: Record<string, number>;
  /** Why an alias does not stand for what its file says. */
  aliasProblems: string[];
  /** Versions that a live worker refuses to serve. */
  refused: Refusal[];
}

interface Snapshot {
  readAt: number;
  /** Live workers that serve a model and have looked at all of theirs. */
  readyWorkers: number;
  models: Map<string, CatalogModel>;
}

/** Reads the catalogue, at most once per second unless a name is not found. */
export class Catalog {
  private snapshot: Snapshot | undefined;
  private reading: Promise<Snapshot> | undefined;

  constructor(
    private readonly redis: RedisConnection,
    private readonly keys: Keys,
    private readonly now: () => number = Date.now,
  ) {}

  /** All models by name, those of which no version is served among them. */
  async models(): Promise<CatalogModel[]> {
    return [...(await this.current()).models.values()];
  }

  /** All versions that are offered, by name and rising version. */
  async list(): Promise<CatalogEntry[]> {
    return (await this.models()).flatMap(({ versions }) => versions);
  }

  /** What is offered under `name@version`; undefined when nothing is. */
  async get(key: string): Promise<CatalogEntry | undefined> {
    return (await this.list()).find(({ model }) => modelKey(model) === key);
  }

  /** Live workers that serve a model; one that has just started counts once it has looked at all of its models. */
  async readyWorkers(): Promise<number> {
    return (await this.current()).readyWorkers;
  }

  /** @throws BatchError `unknown_model` */
  async model(name: string): Promise<CatalogModel> {
    const found = (await this.current()).models.get(name) ?? (await this.refresh()).models.get(name);
    return found ?? this.refuse(name);
  }

  /**
   * The version that `iris` (the highest), `iris@2` or `iris@champion` stands for.
   * @throws BatchError `unknown_model`
   */
  async resolve(ref: string): Promise<CatalogEntry> {
    const found = find(ref, (await this.current()).models) ?? find(ref, (await this.refresh()).models);
    return found ?? this.refuse(ref);
  }

  private async refuse(ref: string): Promise<never> {
    const { models } = await this.current();
    const served = (await this.list()).map(({ model }) => modelKey(model));
    const parsed = parseModelRef(ref);
    const model = models.get(parsed?.name ?? '');
    const refusal = model?.refused.findLast(
      ({ version }) => parsed?.version === undefined || version === String(parsed.version),
    );
    const aliases = Object.entries(model?.aliases ?? {}).flatMap(([alias, version]) =>
      served.includes(`${model?.name}@${version}`) ? [`${model?.name}@${alias}`] : [],
    );
    const names = [...models.values()].filter(({ versions }) => versions.length > 0).map(({ name }) => name);
    const why =
      refusal !== undefined && parsed?.alias === undefined
        ? `: ${refusal.reason}`
        : didYouMean(ref, [...names, ...aliases, ...served]);
    throw new BatchError('unknown_model', `no worker serves "${ref}"${why}`, { models: served });
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
    const [modelKeys, workerIds] = await Promise.all([
      this.redis.zrange(this.keys.models(), 0, '-1'),
      // Whose own key is gone has fallen silent; comparing times would compare the clocks of two machines.
      this.redis.zrange(this.keys.workers(), 0, '-1'),
    ]);
    const names = [...new Set(modelKeys.map((key) => key.slice(0, key.lastIndexOf('@'))))];
    const [descriptors, beats, lastAliases] = await Promise.all([
      this.readAll(modelKeys.map(this.keys.model), ModelDescriptor),
      this.readAll(workerIds.map(this.keys.worker), WorkerBeat),
      this.readAll(names.map(this.keys.aliases), ModelAliases),
    ]);
    const published = new Map(names.map((name, at) => [name, lastAliases[at]]));
    const found = beats.filter((beat) => beat !== undefined);
    const ready = found.filter(({ is_complete: isComplete, pins }) => isComplete && pins.length > 0);
    const snapshot = { readAt, models: modelsOf(descriptors, found, published), readyWorkers: ready.length };
    this.snapshot = snapshot;
    return snapshot;
  }

  /** Undefined for what is absent, or published by another release in a form that this one does not know. */
  private async readAll<T>(keys: string[], schema: z.ZodType<T>): Promise<(T | undefined)[]> {
    const texts = await Promise.all(keys.map((key) => this.redis.get(key)));
    return texts.map((text) => (text === null ? undefined : schema.safeParse(JSON.parse(text)).data));
  }
}

function modelsOf(
  descriptors: readonly (ModelDescriptor | undefined)[],
  beats: readonly WorkerBeat[],
  published: ReadonlyMap<string, ModelAliases | undefined>,
): Map<string, CatalogModel> {
  const models = new Map<string, CatalogModel>();
  const modelOf = (name: string): CatalogModel => {
    const known = models.get(name);
    if (known !== undefined) return known;
    const model: CatalogModel = { name, versions: [], ...aliasesOf(name, beats, published), refused: [] };
    models.set(name, model);
    return model;
  };
  for (const model of descriptors) {
    if (model === undefined) continue;
    const serving = beats.filter(({ pins }) => pins.includes(modelPin(model)));
    const threads = serving.reduce((sum, beat) => sum + beat.threads, 0);
    modelOf(model.name).versions.push({ model, workers: serving.length, threads });
  }
  for (const refusal of beats.flatMap(({ refused }) => refused)) {
    const { refused } = modelOf(refusal.name);
    const isKnown = refused.some(
      ({ version, reason }) => version === refusal.version && reason === refusal.reason,
    );
    if (!isKnown) refused.push(refusal);
  }
  for (const { versions } of models.values()) versions.sort((a, b) => a.model.version - b.model.version);
  return new Map([...models].sort(([a], [b]) => a.localeCompare(b)));
}

/** What the live worker with the newest file says; without one, what was last published. */
function aliasesOf(
  name: string,
  beats: readonly WorkerBeat[],
  published: ReadonlyMap<string, ModelAliases | undefined>,
): Pick<CatalogModel, 'aliases' | 'aliasProblems'> {
  const said = beats.flatMap(({ aliases }) => (Object.hasOwn(aliases, name) ? (aliases[name] ?? []) : []));
  const isServed = beats.some(
    ({ pins, is_complete: isComplete }) => isComplete && pins.some((pin) => pin.startsWith(`${name}@`)),
  );
  const newest = said.sort((a, b) => b.written_at - a.written_at)[0];
  const found = newest ?? (isServed ? undefined : published.get(name));
  return { aliases: found?.targets ?? {}, aliasProblems: found?.problems ?? [] };
}

function find(ref: string, models: ReadonlyMap<string, CatalogModel>): CatalogEntry | undefined {
  const parsed = parseModelRef(ref);
  const model = parsed && models.get(parsed.name);
  if (parsed === undefined || model === undefined) return undefined;
  if (parsed.version === undefined && parsed.alias === undefined) {
    // One that was removed while no worker ran is still offered; without any worker, all of them are.
    return model.versions.findLast(({ workers }) => workers > 0) ?? model.versions.at(-1);
  }
  const isAlias = parsed.alias !== undefined && Object.hasOwn(model.aliases, parsed.alias);
  const version = isAlias ? model.aliases[parsed.alias as string] : parsed.version;
  return model.versions.find((entry) => entry.model.version === version);
}
