/** The worker's settings. */
import { availableParallelism } from 'node:os';
import { PoolName } from '@millrace/batch/manifest/manifest';
import { integer, PROCESS_SETTINGS } from '@millrace/process/env-types';
import { RedisUrl } from '@millrace/queue/redis-url';
import { z } from 'zod';

export const WorkerSettings = z.object({
  ...PROCESS_SETTINGS,
  REDIS_URL: RedisUrl,
  MODELS_DIR: z.string().default('./models'),
  /** The pool of workers that this one belongs to; it serves the models whose manifest names it. */
  POOL: PoolName,
  /** How often the model directory is looked at for new versions and moved aliases. */
  MODELS_POLL_MS: integer(100, 3_600_000, 2_000),
  /** How long the proof of one version may take. */
  MODEL_PROVE_MS: integer(1_000, 3_600_000, 120_000),
  /** How long one run of a chunk may take in its thread, and a row of a suspect chunk in its process. */
  CHUNK_TIMEOUT_MS: integer(100, 86_400_000, 300_000),
  /** How long a session that no chunk asks for is kept, in seconds. */
  MODEL_IDLE_SECONDS: integer(1, 365 * 86_400, 3_600),
  /** Inference threads; each runs one chunk at a time on one core. */
  WORKER_THREADS: integer(1, 256, availableParallelism()),
  /** Where health and metrics are served; 0 takes any free port and logs it. */
  WORKER_PORT: integer(0, 65_535, 0),
  WORKER_HOST: z.string().default('127.0.0.1'),
  /** How long a worker that has gone silent keeps its chunks. */
  LOCK_MS: integer(500, 600_000, 15_000),
  /** How long a stopping worker lets its chunks finish before it hands them back. */
  STOP_GRACE_MS: integer(0, 600_000, 20_000),
  /** Bytes of results that are kept in all; beyond it, the oldest go before their time. 0: half of `maxmemory`, if there is one. */
  RESULTS_MAX_BYTES: integer(0, 2 ** 50, 0),
  /** How often one of the workers puts right what crashes leave behind. */
  REAP_INTERVAL_MS: integer(100, 3_600_000, 5_000),
});
export type WorkerSettings = z.infer<typeof WorkerSettings>;
