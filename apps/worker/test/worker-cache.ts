/** A worker's prediction cache without the worker. */
import type { RedisConnection } from '@millrace/queue/connection';
import type { Keys } from '@millrace/queue/keys';
import { PredictionCache } from '@millrace/queue/prediction-cache';
import { Registry } from 'prom-client';
import { onTestFinished } from 'vitest';
import { CachedPredictions } from '../dist/cache/cached-predictions.js';
import { WorkerMetrics } from '../dist/metrics.js';

export interface WorkerCache {
  predictions: CachedPredictions;
  /** What it counts. */
  counters: Registry;
}

/** To be called within a test or before each, whose end closes it. */
export function workerCache(keys: Keys, connect: () => RedisConnection): WorkerCache {
  const cache = new PredictionCache({ connect, keys, onError: () => {} });
  onTestFinished(() => cache.stop());
  const counters = new Registry();
  return { predictions: new CachedPredictions(cache, new WorkerMetrics(counters)), counters };
}

/** For models without a cache. */
export function unusedCache(keys: Keys): CachedPredictions {
  return workerCache(keys, () => {
    throw new Error('no model of this test has a cache');
  }).predictions;
}
