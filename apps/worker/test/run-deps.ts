/** What it takes to run a chunk without the worker around it. */
import { createLogger } from '@millrace/process/logger';
import { connectForWork } from '@millrace/queue/connection';
import type { ChunkRun } from '@millrace/queue/consumer';
import type { Keys } from '@millrace/queue/keys';
import { TaskEvents } from '@millrace/queue/task-events';
import { TaskStore } from '@millrace/queue/task-store';
import { Registry } from 'prom-client';
import { onTestFinished } from 'vitest';
import { WorkerMetrics } from '../dist/metrics.js';
import type { RunChunkDeps } from '../dist/run-chunk.js';
import { Suspects, searchLimits } from '../dist/suspects/suspects.js';
import { unusedCache } from './worker-cache.js';

export const SILENT = createLogger({ service: 'test', level: 'error', format: 'json' });
SILENT.silent = true;

/** The first run of the first chunk of a task. */
export function runOf(task: string, change: Partial<ChunkRun> = {}): ChunkRun {
  return {
    task,
    chunk: 0,
    isLastAttempt: false,
    starts: 1,
    stalls: 0,
    isSuspect: false,
    waitedMs: 0,
    handedBack: new AbortController().signal,
    ...change,
  };
}

/**
 * To be called within a test or before each, whose end closes it.
 * @param url of Redis @param change of a worker without a prediction cache
 */
export async function runDeps(
  url: string,
  keys: Keys,
  change: Pick<RunChunkDeps, 'pool' | 'pins'> & Partial<RunChunkDeps>,
): Promise<RunChunkDeps> {
  const connection = connectForWork(url);
  const listener = connectForWork(url);
  onTestFinished(() => {
    connection.disconnect();
    listener.disconnect();
  });
  const events = new TaskEvents(listener, [keys.finished()]);
  await events.start();
  return {
    store: new TaskStore(connection, keys),
    cache: unusedCache(keys),
    suspects: new Suspects(searchLimits(20_000, 20_000)),
    metrics: new WorkerMetrics(new Registry()),
    log: SILENT,
    events,
    ...change,
  };
}
