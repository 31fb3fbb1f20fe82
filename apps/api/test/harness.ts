/** The HTTP application on a real Redis, with iris in the catalogue and no worker that takes the chunks. */

import { createLogger } from '@millrace/process/logger';
import { createRegistry } from '@millrace/process/metrics';
import { Catalog, CatalogPublisher } from '@millrace/queue/catalog';
import { ClaimStore } from '@millrace/queue/claim-store';
import { connectForRequests, connectForWork } from '@millrace/queue/connection';
import { FinishedEvents } from '@millrace/queue/finished-events';
import { CLAIM_KEPT_MS, type ClaimLifetimes, type Keys } from '@millrace/queue/keys';
import { watchOutages } from '@millrace/queue/outages';
import { Producer } from '@millrace/queue/producer';
import { serverProblems } from '@millrace/queue/server-problems';
import { TaskStore } from '@millrace/queue/task-store';
import type { Express } from 'express';
import { irisDescriptor } from '../../../test/fixtures/iris.js';
import { createApp } from '../dist/app.js';
import type { ApiKeys } from '../dist/auth/api-keys.js';
import { ApiMetrics } from '../dist/metrics.js';

/** Ten rows to a chunk. */
const SECONDS_PER_ROW = 0.025;

export const LIMITS = {
  maxJsonBytes: 64 * 1024,
  maxBodyBytes: 256 * 1024,
  maxRowBytes: 1024,
  uploadIdleMs: 10_000,
};

export interface Harness {
  app: Express;
  store: TaskStore;
  producer: Producer;
  publisher: CatalogPublisher;
  stop(): Promise<void>;
}

export async function startHarness(
  url: string,
  keys: Keys,
  apiKeys?: ApiKeys,
  limits = LIMITS,
  claimLifetimes: ClaimLifetimes = { leaseMs: 15_000, keptMs: CLAIM_KEPT_MS },
): Promise<Harness> {
  const redis = connectForRequests(url);
  const subscriber = connectForWork(url);
  for (const each of [redis, subscriber]) watchOutages(each, { lost: () => {}, back: () => {} });
  await redis.connect();
  const events = new FinishedEvents(subscriber, keys);
  await events.start();
  const publisher = new CatalogPublisher(redis, keys, 'test-worker');
  const served = [irisDescriptor(SECONDS_PER_ROW)];
  await publisher.beat({ served, refused: [], aliases: {} }, Date.now());
  const registry = createRegistry();
  const store = new TaskStore(redis, keys);
  const producer = new Producer(redis, keys, () => {});
  const app = createApp({
    store,
    claims: new ClaimStore(redis, keys, store, claimLifetimes),
    producer,
    catalog: new Catalog(redis, keys),
    events,
    metrics: new ApiMetrics(registry),
    log: createLogger({ service: 'api', level: 'error', format: 'json' }),
    limits,
    registry,
    keys: apiKeys,
    serverProblems: () => serverProblems(redis),
  });
  return {
    app,
    store,
    producer,
    publisher,
    async stop() {
      await producer.stop();
      redis.disconnect();
      subscriber.disconnect();
    },
  };
}
