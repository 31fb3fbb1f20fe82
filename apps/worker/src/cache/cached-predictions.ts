/**
 * The main thread's side of the prediction cache: it carries what inference threads ask and answer to Redis and back, as
 * bytes that it does not look into.
 */
import { MessageChannel, type MessagePort } from 'node:worker_threads';
import type { CacheLimits } from '@millrace/batch/manifest/manifest';
import type { PredictionCache } from '@millrace/queue/prediction-cache';
import type { PredictReply, PredictRequest } from '../inference/messages.js';
import type { InferencePool } from '../inference/pool.js';
import type { WorkerMetrics } from '../metrics.js';
import { ownBytes } from '../own-bytes.js';
import type { CacheReport, LookReply } from './messages.js';

export interface CachedReply extends PredictReply {
  /** To be called once the result is committed. Keeps what was learned, without anybody waiting for it. */
  onCommit?: () => void;
}

export class CachedPredictions {
  constructor(
    private readonly cache: PredictionCache,
    private readonly metrics: WorkerMetrics,
  ) {}

  /** As `InferencePool.predict`; with a model that has a cache, only the rows that it does not hold are run. */
  async predict(pool: InferencePool, request: PredictRequest): Promise<CachedReply> {
    const limits = pool.model(request.pin).manifest.cache;
    if (limits === undefined) return pool.predict(request);
    const { port1: ours, port2: lookups } = new MessageChannel();
    ours.once('message', (keys: Uint8Array) => this.answer(ours, request.pin, keys));
    try {
      const reply = await pool.predict({ ...request, lookups });
      const { cached } = reply;
      return cached === undefined ? reply : { ...reply, onCommit: this.keeper(request.pin, limits, cached) };
    } finally {
      ours.close();
    }
  }

  private async answer(port: MessagePort, pin: string, keys: Uint8Array): Promise<void> {
    const found = await this.cache.look(pin, keys);
    const reply = found?.map(ownBytes);
    port.postMessage(reply satisfies LookReply, reply?.map(({ buffer }) => buffer) ?? []);
  }

  private keeper(pin: string, limits: CacheLimits, report: CacheReport): () => void {
    const { counts, predicted, learned } = report;
    const model = pin.slice(0, pin.indexOf(' '));
    this.metrics.looked(model, counts);
    return () => {
      if (predicted === 0) return;
      void this.cache.store(pin, limits, learned).then((stored) => {
        this.metrics.kept(model, stored, predicted - stored);
      });
    };
  }
}
