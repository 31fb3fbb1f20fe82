/** Builds a worker process from its settings: `startWorker` serves, and says what stops it again. */
import { randomUUID } from 'node:crypto';
import { createAdminServer, stopServer } from '@millrace/process/admin-server';
import { listen } from '@millrace/process/listen';
import { errorFields, type Logger } from '@millrace/process/logger';
import { createRegistry } from '@millrace/process/metrics';
import type { Running, StopWith } from '@millrace/process/run-process';
import { CatalogPublisher } from '@millrace/queue/catalog-publisher';
import { connectForCache, connectForWork } from '@millrace/queue/connection';
import { Consumer } from '@millrace/queue/consumer';
import { DEFAULT_LIFETIMES, Keys } from '@millrace/queue/keys';
import { isOutage, watchOutages } from '@millrace/queue/outages';
import { PredictionCache } from '@millrace/queue/prediction-cache';
import { Reaper } from '@millrace/queue/reaper';
import { awaitServerProblems } from '@millrace/queue/server-problems';
import { TaskEvents } from '@millrace/queue/task-events';
import { TaskStore } from '@millrace/queue/task-store';
import { CachedPredictions } from './cache/cached-predictions.js';
import type { WorkerSettings } from './config.js';
import { Heartbeat } from './heartbeat.js';
import { InferencePool } from './inference/pool.js';
import { WorkerMetrics } from './metrics.js';
import { ModelFollower } from './models/model-follower.js';
import { ModelRegistry } from './models/model-registry.js';
import { ProvedCopies } from './models/proved-copies.js';
import { runChunk } from './run-chunk.js';
import { SUSPECTS_AT_ONCE, Suspects, searchLimits } from './suspects/suspects.js';

/** Chunks held per thread: one that computes and one that waits, so that a thread never waits for the next. A suspect has a place besides. */
const CHUNKS_PER_THREAD = 2;

/** @throws Error when it cannot serve */
export async function startWorker(
  settings: WorkerSettings,
  log: Logger,
  stopWith: StopWith,
): Promise<Running> {
  const keys = new Keys(settings.KEY_PREFIX);
  const redis = connectForWork(settings.REDIS_URL);
  watchOutages(redis, {
    lost: (error) => log.error('Redis does not answer; waiting for it', errorFields(error)),
    back: () => log.info('Redis answers again'),
  });
  const subscriber = connectForWork(settings.REDIS_URL);
  // The other connection says it for both.
  watchOutages(subscriber, { lost: () => {}, back: () => {} });
  const events = new TaskEvents(subscriber, [keys.finished()]);
  events.start().catch((error) => log.error('finished tasks cannot be heard', errorFields(error)));
  const problems = await awaitServerProblems(redis);
  if (problems.length > 0) throw new Error(problems.join('; '));

  const pool = new InferencePool(
    settings.WORKER_THREADS,
    { chunkMs: settings.CHUNK_TIMEOUT_MS, loadMs: settings.MODEL_PROVE_MS },
    (stuck) => endWhenMostAreStuck(stuck, settings.WORKER_THREADS, log),
  );
  const copies = await ProvedCopies.open();
  const suspects = new Suspects(searchLimits(settings.CHUNK_TIMEOUT_MS, settings.MODEL_PROVE_MS));
  const models = new ModelRegistry({
    directory: settings.MODELS_DIR,
    poolName: settings.POOL,
    pool,
    copies,
    proveMs: settings.MODEL_PROVE_MS,
    idleMs: settings.MODEL_IDLE_SECONDS * 1000,
    log,
    onChange: () => onModels(),
  });

  const registry = createRegistry();
  const metrics = new WorkerMetrics(registry);
  const leaseMs = settings.UPLOAD_LEASE_MS;
  const resultsMs = settings.RESULT_TTL_SECONDS * 1000;
  const store = new TaskStore(redis, keys, { ...DEFAULT_LIFETIMES, leaseMs, resultsMs });
  const predictions = new PredictionCache({
    connect: () => connectForCache(settings.REDIS_URL),
    keys,
    onError: (error) =>
      log.log(isOutage(error) ? 'debug' : 'warn', 'the prediction cache', errorFields(error)),
  });
  const cache = new CachedPredictions(predictions, metrics);
  const deps = { store, pool, cache, suspects, metrics, log, events, pins: () => models.pins };
  const consumer = new Consumer({
    redis,
    keys,
    pool: settings.POOL,
    concurrency: settings.WORKER_THREADS * CHUNKS_PER_THREAD + SUSPECTS_AT_ONCE,
    lockMs: settings.LOCK_MS,
    run: (run) => runChunk(deps, run),
    release: (run) => store.release(run.task, run.chunk),
    onError: (error) => log.log(isOutage(error) ? 'debug' : 'warn', 'the queue', errorFields(error)),
  });

  const workerId = randomUUID();
  const publisher = new CatalogPublisher(redis, keys, workerId, settings.WORKER_THREADS);
  const reaper = new Reaper({
    redis,
    keys,
    store,
    id: workerId,
    intervalMs: settings.REAP_INTERVAL_MS,
    maxResultBytes: settings.RESULTS_MAX_BYTES,
    onMend: (what, about) => {
      metrics.mended(what);
      log.warn('the reaper put something right', { what, ...about });
    },
    onExpire: (task) => {
      metrics.expiredEarly();
      log.warn('results went before their time: there are too many', { task_id: task });
    },
    onError: (error) => log.log(isOutage(error) ? 'debug' : 'warn', 'the reaper', errorFields(error)),
  });
  const heartbeat = new Heartbeat(publisher, () => models.models, log);
  const server = createAdminServer({
    registry,
    problems: () => [
      ...(redis.status === 'ready' ? [] : [`Redis is ${redis.status}`]),
      ...(models.pins.length === 0 ? [`no model in ${settings.MODELS_DIR} is served`] : []),
    ],
  });
  const port = await listen(server, settings.WORKER_PORT, settings.WORKER_HOST, 'WORKER_PORT');
  const follower = new ModelFollower(models, settings.MODELS_POLL_MS, log);
  stopWith([
    { name: 'models', deadlineMs: 1_000, run: () => follower.stop() },
    { name: 'heartbeat', deadlineMs: 1_000, run: () => heartbeat.stop() },
    { name: 'reaper', deadlineMs: 2_000, run: () => reaper.stop() },
    {
      name: 'consumer',
      deadlineMs: settings.STOP_GRACE_MS + 3_000,
      run: () => consumer.stop(settings.STOP_GRACE_MS),
    },
    { name: 'suspects', deadlineMs: 3_000, run: () => suspects.stop() },
    { name: 'threads', deadlineMs: 2_000, run: () => pool.stop() },
    { name: 'copies', deadlineMs: 1_000, run: () => copies.close() },
    { name: 'server', deadlineMs: 1_000, run: () => stopServer(server) },
    {
      name: 'redis',
      deadlineMs: 1_000,
      run: async () => {
        predictions.stop();
        subscriber.disconnect();
        await redis.quit();
      },
    },
  ]);
  await heartbeat.start();
  reaper.start();
  let isConsuming = false;
  const onModels = (): void => {
    heartbeat.beatNow();
    // Without a model it could only hand back what the others would predict.
    if (isConsuming || models.pins.length === 0) return;
    isConsuming = true;
    consumer.start();
  };
  // What is proved is served at once; ready is the worker when all of it has been looked at.
  await follower.start();
  await heartbeat.beatNow();
  log.info('the worker is ready', { models: models.pins.length, threads: settings.WORKER_THREADS, port });
  return { port };
}

/**
 * A stuck thread keeps a core busy and its sessions in memory, and nothing but the end of the process ends it. With as many
 * of them as there are to be threads, the worker is at half its speed and at twice its memory: one more, and it ends
 * itself like on a signal, to be started again by whoever keeps it running.
 */
function endWhenMostAreStuck(stuck: number, threads: number, log: Logger): void {
  log.warn('an inference thread is stuck and was replaced', { stuck, threads });
  if (stuck <= threads) return;
  log.error('too many inference threads are stuck: the worker ends, to be started again', { stuck, threads });
  process.kill(process.pid, 'SIGTERM');
}
