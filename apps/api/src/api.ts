/** Builds an API process from its settings: `startApi` serves, and says what stops it again. */
import { createServer, type Server } from 'node:http';
import { listen } from '@millrace/process/listen';
import { errorFields, type Logger } from '@millrace/process/logger';
import { createRegistry } from '@millrace/process/metrics';
import type { Running, StopWith } from '@millrace/process/run-process';
import { Catalog } from '@millrace/queue/catalog';
import { ClaimStore } from '@millrace/queue/claim-store';
import { connectForRequests, connectForWork } from '@millrace/queue/connection';
import { FinishedEvents } from '@millrace/queue/finished-events';
import { CLAIM_KEPT_MS, DEFAULT_LIFETIMES, Keys } from '@millrace/queue/keys';
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
import { Admission } from '@millrace/tasks/admission';
import { admissionLimits } from '@millrace/tasks/submit-settings';
import { createApp } from './app.js';
import { ApiKeys } from './auth/api-keys.js';
import type { ApiSettings } from './config.js';
import { ApiMetrics, watchQueue, watchStore } from './metrics.js';
import { batchMemory } from './submit/body-memory.js';
import { ParquetBodies } from './submit/parquet-bodies.js';
import { WholeBodies } from './submit/whole-bodies.js';

/** Time for the head of a request; bodies have their own bound, on silence. */
const HEADERS_TIMEOUT_MS = 30_000;
const KEEP_ALIVE_MS = 65_000;
const CLOSE_IDLE_MS = 100;
/** Bodies of the largest size that may be in memory at once. */
const WHOLE_BODIES_MAX = 4;

/** @throws Error when it cannot serve */
export async function startApi(settings: ApiSettings, log: Logger, stopWith: StopWith): Promise<Running> {
  const keyring =
    settings.API_KEYS_FILE === undefined ? undefined : await ApiKeys.open(settings.API_KEYS_FILE, log);
  const keys = new Keys(settings.KEY_PREFIX);
  const redis = connectForRequests(settings.REDIS_URL);
  const subscriber = connectForWork(settings.REDIS_URL);
  redis.connect().catch(() => {});
  watchOutages(redis, {
    lost: (error) => log.error('Redis does not answer', errorFields(error)),
    back: () => log.info('Redis answers again'),
  });
  // The other connection says it for both.
  watchOutages(subscriber, { lost: () => {}, back: () => {} });
  const events = new FinishedEvents(subscriber, keys);
  const progress = new ProgressEvents(subscriber, keys);
  for (const each of [events, progress]) {
    each.start().catch((error) => log.error('tasks cannot be heard', errorFields(error)));
  }

  const registry = createRegistry();
  const producer = new Producer(redis, keys, (error) => log.debug('the queue', errorFields(error)));
  const catalog = new Catalog(redis, keys);
  watchQueue(registry, producer, catalog);
  const leaseMs = settings.UPLOAD_LEASE_MS;
  const resultsMs = settings.RESULT_TTL_SECONDS * 1000;
  const store = new TaskStore(redis, keys, { ...DEFAULT_LIFETIMES, leaseMs, resultsMs });
  const room = { readLoad: () => readLoad(redis, keys, store.index), memoryUse: () => memoryUse(redis) };
  watchStore(registry, { ...room, resultBytes: () => store.index.resultBytes() });
  const app = createApp({
    store,
    retryStore: new RetryStore(redis, keys),
    ids: new TaskIds(settings.TASK_ID_SECRET),
    claims: new ClaimStore(redis, keys, store, { leaseMs, keptMs: CLAIM_KEPT_MS }),
    admission: new Admission(admissionLimits(settings), room),
    wholeBodies: new WholeBodies(WHOLE_BODIES_MAX * settings.MAX_JSON_BYTES),
    batchMemory: batchMemory(WHOLE_BODIES_MAX * settings.MAX_BATCH_BYTES),
    parquetBodies: new ParquetBodies(WHOLE_BODIES_MAX * settings.MAX_PARQUET_BYTES),
    producer,
    catalog,
    schedules: new ScheduleStore(redis, keys),
    runs: new RunStore(redis, keys),
    alarms: new AlarmStore(redis, keys),
    schedulerBeat: new SchedulerBeat(redis, keys),
    events,
    progress,
    metrics: new ApiMetrics(registry),
    log,
    limits: {
      maxJsonBytes: settings.MAX_JSON_BYTES,
      maxBodyBytes: settings.MAX_BODY_BYTES,
      maxRowBytes: settings.MAX_ROW_BYTES,
      maxBatchBytes: settings.MAX_BATCH_BYTES,
      maxParquetBytes: settings.MAX_PARQUET_BYTES,
      maxGzipRatio: settings.MAX_GZIP_RATIO,
      uploadIdleMs: settings.UPLOAD_IDLE_MS,
      followMaxMs: settings.FOLLOW_MAX_MS,
    },
    registry,
    keys: keyring,
    serverProblems: async () => (await Promise.all([serverProblems(redis), memoryProblems(redis)])).flat(),
  });

  const server = createServer(
    { requestTimeout: 0, headersTimeout: HEADERS_TIMEOUT_MS, keepAliveTimeout: KEEP_ALIVE_MS },
    app,
  );
  const port = await listen(server, settings.PORT, settings.HOST, 'PORT');
  log.info('the API is ready', { url: `http://${settings.HOST}:${port}` });

  stopWith([
    { name: 'server', deadlineMs: settings.STOP_GRACE_MS, run: () => close(server) },
    { name: 'queue', deadlineMs: 2_000, run: () => producer.stop() },
    {
      name: 'redis',
      deadlineMs: 1_000,
      run: async () => {
        subscriber.disconnect();
        redis.disconnect();
      },
    },
  ]);
  return { port };
}

/** Takes no more connections and waits for the requests under way. */
async function close(server: Server): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  // A connection that is busy now and idle later would otherwise be kept alive.
  const timer = setInterval(() => server.closeIdleConnections(), CLOSE_IDLE_MS);
  await closed;
  clearInterval(timer);
}
