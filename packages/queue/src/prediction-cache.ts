/**
 * The prediction cache is responsible for what models have predicted before, row by row, as one worker process sees it. It
 * may be done without: whoever asks hears soon that there is nothing, and what it is given may be dropped.
 */
import type { CacheLimits } from '@millrace/batch/manifest/manifest';
import { bufferOf } from './buffer-of.js';
import type { RedisConnection } from './connection.js';
import { INDEX_MS, type Keys } from './keys.js';
import { watchOutages } from './outages.js';
import { CACHE_SCRIPTS, ROW_KEY_BYTES } from './scripts/cache-scripts.js';
import { defineScripts, type Script } from './scripts/define-scripts.js';

/** Rows with what was predicted for them. */
export interface CacheEntries {
  /** Their keys, one after the other, `ROW_KEY_BYTES` each. */
  keys: Uint8Array;
  /** Their values as `packValues` makes them. */
  values: Uint8Array;
}

export interface PredictionCacheOptions {
  /** Called when the cache is first used: most platforms have no model with one. */
  connect(): RedisConnection;
  keys: Keys;
  onError(error: unknown): void;
  /** Milliseconds of a clock that is never set. */
  now?: () => number;
}

/** Rows that one script looks for: Redis does other work in between. */
const LOOK_ROWS_MAX = 4_096;
/** Chunks whose rows are being kept at once; those of more are dropped. */
const STORES_MAX = 4;
/** How long a Redis that did not answer in time is left alone. */
const REST_MS = 5_000;

interface Opened {
  redis: RedisConnection;
  scripts: Record<keyof typeof CACHE_SCRIPTS, Script>;
}

export class PredictionCache {
  private opened: Opened | undefined;
  private stores = 0;
  private restsUntil = Number.NEGATIVE_INFINITY;
  private readonly now: () => number;

  constructor(private readonly options: PredictionCacheOptions) {
    this.now = options.now ?? (() => performance.now());
  }

  /**
   * What a model version has predicted for these rows.
   * @param pin of the version @param rowKeys one after the other
   * @returns their values, packed, in as many pieces as it took; undefined when Redis cannot be asked now
   */
  async look(pin: string, rowKeys: Uint8Array): Promise<Buffer[] | undefined> {
    const size = LOOK_ROWS_MAX * ROW_KEY_BYTES;
    const parts = Array.from({ length: Math.ceil(rowKeys.length / size) }, (_, at) =>
      rowKeys.subarray(at * size, (at + 1) * size),
    );
    return this.attempt(({ scripts: { look } }) =>
      Promise.all(parts.map((part) => look(...this.generations(pin), bufferOf(part)) as Promise<Buffer>)),
    );
  }

  /** Keeps what was predicted, and says for how many rows. Does not reject. */
  async store(pin: string, limits: CacheLimits, entries: readonly CacheEntries[]): Promise<number> {
    if (this.stores >= STORES_MAX) return 0;
    this.stores++;
    let rows = 0;
    await this.attempt(async ({ redis, scripts: { store } }) => {
      const { keys } = this.options;
      await Promise.all([redis.sadd(keys.caches(), pin), redis.pexpire(keys.caches(), INDEX_MS)]);
      const of = [Math.floor(limits.rows / 2), limits.ttl_seconds * 1000];
      // One after the other, and not faster than Redis takes them.
      for (const each of entries) {
        const [rowKeys, values] = [bufferOf(each.keys), bufferOf(each.values)];
        rows += Number(await store(...this.generations(pin), ...of, rowKeys, values));
      }
    });
    this.stores--;
    return rows;
  }

  /** What is under way comes to nothing. */
  stop(): void {
    this.restsUntil = Number.POSITIVE_INFINITY;
    this.opened?.redis.disconnect();
  }

  /** Undefined when it fails, and while Redis is left alone because something else did. */
  private async attempt<T>(work: (opened: Opened) => Promise<T>): Promise<T | undefined> {
    if (this.now() < this.restsUntil) return undefined;
    try {
      return await work(this.open());
    } catch (error) {
      if (this.now() < this.restsUntil) return undefined;
      this.restsUntil = this.now() + REST_MS;
      this.options.onError(error);
      return undefined;
    }
  }

  private open(): Opened {
    if (this.opened === undefined) {
      const redis = this.options.connect();
      // The worker's other connection says it.
      watchOutages(redis, { lost: () => {}, back: () => {} });
      this.opened = { redis, scripts: defineScripts(redis, CACHE_SCRIPTS) };
    }
    return this.opened;
  }

  private generations(pin: string): [string, string] {
    return [this.options.keys.cachedRows(pin), this.options.keys.olderCachedRows(pin)];
  }
}
