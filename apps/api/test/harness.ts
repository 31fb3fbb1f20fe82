/** The HTTP application on a real Redis, with iris in the catalogue and no worker that takes the chunks. */

import { createLogger } from '@millrace/process/logger';
import { createRegistry } from '@millrace/process/metrics';
import { Catalog } from '@millrace/queue/catalog';
import { CatalogPublisher } from '@millrace/queue/catalog-publisher';
import { ClaimStore } from '@millrace/queue/claim-store';
import { connectForRequests, connectForWork } from '@millrace/queue/connection';
import { FinishedEvents } from '@millrace/queue/finished-events';
import { CLAIM_KEPT_MS, type ClaimLifetimes, type Keys } from '@millrace/queue/keys';
import { readLoad } from '@millrace/queue/load';
import { memoryProblems, memoryUse } from '@millrace/queue/memory';
import { watchOutages } from '@millrace/queue/outages';
import { Producer } from '@millrace/queue/producer';
import { ProgressEvents } from '@millrace/queue/progress-events';
import { RetryStore } from '@millrace/queue/retry-store';
import { AlarmStore } from '@millrace/queue/schedules/alarm-store';
import { RunStore } from '@millrace/queue/schedules/run-store';
import { ScheduleStore } from '@millrace/queue/schedules/schedule-store';
import { SchedulerBeat } from '@millrace/queue/schedules/scheduler-beat';
import { serverProblems } from '@millrace/queue/server-problems';
import { TaskIds } from '@millrace/queue/task-ids';
import { TaskStore } from '@millrace/queue/task-store';
import { Admission, type AdmissionLimits } from '@millrace/tasks/admission';
import type { Express } from 'express';
import { irisDescriptor } from '../../../test/fixtures/iris.js';
import { createApp } from '../dist/app.js';
import type { ApiKeys } from '../dist/auth/api-keys.js';
import { ApiMetrics } from '../dist/metrics.js';
import { batchMemory } from '../dist/submit/body-memory.js';
import { ParquetBodies } from '../dist/submit/parquet-bodies.js';
import { WholeBodies } from '../dist/submit/whole-bodies.js';

/** Ten rows to a chunk. */
const SECONDS_PER_ROW = 0.025;

export const LIMITS = {
  maxJsonBytes: 64 * 1024,
  maxBodyBytes: 256 * 1024,
  maxRowBytes: 1024,
  maxBatchBytes: 64 * 1024,
  maxParquetBytes: 64 * 1024,
  maxGzipRatio: 200,
  uploadIdleMs: 10_000,
  followMaxMs: 60_000,
};

export const IDS = new TaskIds('secret of the tests');

export const ADMISSION: AdmissionLimits = {
  all: { rows: 1e9, bytes: 1e9 },
  client: { rows: 1e9, bytes: 1e9 },
  stallMs: 1_000,
};

export interface Harness {
  app: Express;
  store: TaskStore;
  producer: Producer;
  publisher: CatalogPublisher;
  progress: ProgressEvents;
  schedules: ScheduleStore;
  runs: RunStore;
  alarms: AlarmStore;
  schedulerBeat: SchedulerBeat;
  stop(): Promise<void>;
}

export async function startHarness(
  url: string,
  keys: Keys,
  apiKeys?: ApiKeys,
  limits = LIMITS,
  claimLifetimes: ClaimLifetimes = { leaseMs: 15_000, keptMs: CLAIM_KEPT_MS },
  admission = ADMISSION,
): Promise<Harness> {
  const redis = connectForRequests(url);
  const subscriber = connectForWork(url);
  for (const each of [redis, subscriber]) watchOutages(each, { lost: () => {}, back: () => {} });
  await redis.connect();
  const events = new FinishedEvents(subscriber, keys);
  const progress = new ProgressEvents(subscriber, keys);
  await Promise.all([events.start(), progress.start()]);
  const publisher = new CatalogPublisher(redis, keys, 'test-worker');
  const served = [irisDescriptor(SECONDS_PER_ROW)];
  await publisher.beat({ served, refused: [], aliases: {} }, Date.now());
  const registry = createRegistry();
  const store = new TaskStore(redis, keys);
  const producer = new Producer(redis, keys, () => {});
  const schedules = new ScheduleStore(redis, keys);
  const runs = new RunStore(redis, keys);
  const alarms = new AlarmStore(redis, keys);
  const schedulerBeat = new SchedulerBeat(redis, keys);
  const app = createApp({
    store,
    ids: IDS,
    retryStore: new RetryStore(redis, keys),
    claims: new ClaimStore(redis, keys, store, claimLifetimes),
    admission: new Admission(admission, {
      readLoad: () => readLoad(redis, keys, store.index),
      memoryUse: () => memoryUse(redis),
    }),
    wholeBodies: new WholeBodies(4 * limits.maxJsonBytes),
    batchMemory: batchMemory(4 * limits.maxBatchBytes),
    parquetBodies: new ParquetBodies(4 * limits.maxParquetBytes),
    producer,
    catalog: new Catalog(redis, keys),
    schedules,
    runs,
    alarms,
    schedulerBeat,
    events,
    progress,
    metrics: new ApiMetrics(registry),
    log: createLogger({ service: 'api', level: 'error', format: 'json' }),
    limits,
    registry,
    keys: apiKeys,
    serverProblems: async () => (await Promise.all([serverProblems(redis), memoryProblems(redis)])).flat(),
  });
  return {
    app,
    store,
    producer,
    publisher,
    progress,
    schedules,
    runs,
    alarms,
    schedulerBeat,
    async stop() {
      await producer.stop();
      redis.disconnect();
      subscriber.disconnect();
    },
  };
}
