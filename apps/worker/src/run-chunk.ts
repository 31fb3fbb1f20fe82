/** Runs one chunk: begin, predict, commit. Every way a run can end is decided here. */
import type { RowCode } from '@millrace/batch/errors';
import { encodeFailedChunk } from '@millrace/batch/results/encode-chunk';
import { errorFields, type Logger } from '@millrace/process/logger';
import type { ChunkPlace, StartedChunk } from '@millrace/queue/begun';
import { STALLS_MAX } from '@millrace/queue/chunk-job';
import type { ChunkRun, RunOutcome } from '@millrace/queue/consumer';
import type { TaskEvents } from '@millrace/queue/task-events';
import type { TaskStore } from '@millrace/queue/task-store';
import type { CachedPredictions, CachedReply } from './cache/cached-predictions.js';
import { ChunkClock } from './chunk-clock.js';
import { TimeLimitError } from './inference/inference-thread.js';
import type { PredictRequest } from './inference/messages.js';
import type { InferencePool } from './inference/pool.js';
import type { WorkerMetrics } from './metrics.js';
import { monotonicMs } from './monotonic.js';
import { ownBytes } from './own-bytes.js';
import type { Suspects } from './suspects/suspects.js';

export interface RunChunkDeps {
  store: TaskStore;
  pool: InferencePool;
  cache: CachedPredictions;
  suspects: Suspects;
  metrics: WorkerMetrics;
  log: Logger;
  /** Hears of tasks that end while their chunks run. */
  events: TaskEvents;
  /** The pins of the versions that this worker can predict with. */
  pins(): readonly string[];
}

interface TimedRun extends ChunkRun {
  clock: ChunkClock;
}

const SETTLED: RunOutcome = { kind: 'settled' };
/** Until a chunk that cannot be run or stored now is offered again; doubled with every start, up to the limit. */
const HAND_BACK_MS = 500;
const HAND_BACK_MAX_MS = 30_000;
/** Until a suspect chunk for which there was no place is offered again. */
const SUSPECT_WAIT_MS = 1_000;

export async function runChunk(deps: RunChunkDeps, taken: ChunkRun): Promise<RunOutcome> {
  const run = { ...taken, clock: new ChunkClock(taken.waitedMs) };
  if (run.starts <= 1) deps.metrics.waited(run.waitedMs / 1000);
  try {
    return run.isSuspect ? await attemptApart(deps, run) : await attempt(deps, run, predictInThread);
  } catch (error) {
    // Redis cannot take the chunk's result now, or answers what nobody expected. It costs the chunk no attempt.
    const ids = { task_id: run.task, chunk: run.chunk };
    deps.log.error('a chunk could not be stored', { ...ids, ...errorFields(error) });
    return handBackLater(deps, run);
  }
}

/** Runs a suspect chunk while no other one runs: those that wait do so in the queue, where they hold nothing up. */
async function attemptApart(deps: RunChunkDeps, run: TimedRun): Promise<RunOutcome> {
  const giveBack = deps.suspects.reserve();
  if (giveBack === undefined) return handBack(deps, SUSPECT_WAIT_MS);
  try {
    return await attempt(deps, run, predictApart);
  } finally {
    giveBack();
  }
}

/** What a chunk came to, and what is to be done once that is committed. */
type Predicted = Pick<CachedReply, 'result' | 'onCommit'>;
type Predict = (deps: RunChunkDeps, run: TimedRun, request: PredictRequest) => Promise<Predicted>;

async function attempt(deps: RunChunkDeps, run: TimedRun, how: Predict): Promise<RunOutcome> {
  const askedAt = monotonicMs();
  const begun = await deps.store.begin(run.task, run.chunk, deps.pins());
  switch (begun.kind) {
    case 'done':
    case 'gone':
      return overtaken(deps, begun.kind);
    case 'unserved':
      // Another worker may have it, or this one after its next start.
      deps.log.debug('a chunk was handed back', { ...idsOf(run, begun.chunk), model: begun.chunk.model });
      return handBackLater(deps, run);
    case 'lost':
      return fail(deps, run, begun.chunk, 'input_lost', 'the bytes of this row are no longer stored');
    case 'started':
      run.clock.begin(askedAt, begun.chunk.begunAt);
      if (run.stalls > STALLS_MAX) {
        const reason = `${run.stalls} workers were lost over the chunk of this row`;
        return fail(deps, run, begun.chunk, 'worker_lost', reason);
      }
      return predict(deps, run, begun.chunk, how);
  }
}

async function predict(
  deps: RunChunkDeps,
  run: TimedRun,
  chunk: StartedChunk,
  how: Predict,
): Promise<RunOutcome> {
  const { pin, format, columns, firstRow, rows } = chunk;
  const stored = chunk.bytes ?? (await deps.store.readInput(run.task, run.chunk));
  // Gone since: asked again, Redis says why.
  if (stored === undefined) return attempt(deps, run, how);
  const bytes = ownBytes(stored);
  let predicted: Predicted;
  try {
    predicted = await how(deps, run, { pin, source: { format, columns, firstRow, rows, bytes } });
  } catch (error) {
    // The threads and processes of a stopping worker end under the runs that it has handed back.
    if (run.handedBack.aborted) return SETTLED;
    if (error instanceof TaskEndedError) return overtaken(deps, 'gone');
    return error instanceof TimeLimitError ? suspect(deps, run, chunk) : retry(deps, run, chunk, error);
  }
  return commit(deps, run, chunk, predicted);
}

/** Stops between micro-batches when the task ends under it. @throws TaskEndedError */
async function predictInThread(
  deps: RunChunkDeps,
  run: TimedRun,
  request: PredictRequest,
): Promise<Predicted> {
  const givenUp = new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT);
  const end = deps.events.listen(run.task);
  end.heard.then(() => Atomics.store(new Int32Array(givenUp), 0, 1));
  try {
    const reply = await deps.cache.predict(deps.pool, { ...request, givenUp });
    run.clock.compute(reply.times);
    return reply;
  } catch (error) {
    throw Atomics.load(new Int32Array(givenUp), 0) === 0 ? error : new TaskEndedError();
  } finally {
    end.stop();
  }
}

/** The task was cancelled, erased or expired, or another run came first. */
class TaskEndedError extends Error {}

async function predictApart(
  deps: RunChunkDeps,
  run: TimedRun,
  { pin, source }: PredictRequest,
): Promise<Predicted> {
  const ids = { task_id: run.task, chunk: run.chunk, rows: source.rows, lost_workers: run.stalls };
  deps.log.warn('a suspect chunk is run in a process of its own', ids);
  const startedAt = monotonicMs();
  const result = await deps.suspects.predict(deps.pool.model(pin), source, run.handedBack);
  // Part by part, and its steps with each: all of it counts as inference.
  const encodedAt = monotonicMs();
  run.clock.compute({ startedAt, decodedAt: startedAt, inferredAt: encodedAt, encodedAt });
  return { result };
}

function suspect(deps: RunChunkDeps, run: ChunkRun, chunk: StartedChunk): RunOutcome {
  deps.log.warn('a chunk exceeded its time limit', { ...idsOf(run, chunk), model: chunk.model });
  deps.metrics.ended('timed_out');
  return { kind: 'suspect' };
}

function retry(
  deps: RunChunkDeps,
  run: TimedRun,
  chunk: StartedChunk,
  error: unknown,
): RunOutcome | Promise<RunOutcome> {
  const reason = error instanceof Error ? error.message : String(error);
  // Not the reason, which may quote values of rows: the client finds it in the result.
  deps.log.warn('a chunk failed', {
    ...idsOf(run, chunk),
    model: chunk.model,
    last_attempt: run.isLastAttempt,
  });
  if (run.isLastAttempt) return fail(deps, run, chunk, 'inference_failed', `the model failed: ${reason}`);
  deps.metrics.ended('retried');
  return { kind: 'retry', reason };
}

function handBackLater(deps: RunChunkDeps, { starts }: ChunkRun): RunOutcome {
  return handBack(deps, Math.min(HAND_BACK_MS * 2 ** Math.min(starts, 16), HAND_BACK_MAX_MS));
}

function handBack({ metrics }: RunChunkDeps, afterMs: number): RunOutcome {
  metrics.ended('handed_back');
  return { kind: 'hand_back', afterMs };
}

/** Commits the same error for every row of a chunk that cannot be predicted. */
function fail(
  deps: RunChunkDeps,
  run: TimedRun,
  chunk: ChunkPlace,
  code: RowCode,
  message: string,
): Promise<RunOutcome> {
  run.clock.compute();
  deps.log.error('the rows of a chunk failed', { ...idsOf(run, chunk), rows: chunk.rows, code });
  return commit(deps, run, chunk, { result: encodeFailedChunk(chunk.firstRow, chunk.rows, code, message) });
}

async function commit(
  deps: RunChunkDeps,
  run: TimedRun,
  chunk: ChunkPlace,
  { result, onCommit }: Predicted,
): Promise<RunOutcome> {
  const { store, metrics, log } = deps;
  const committed = await store.commit(run.task, run.chunk, result, run.clock.times);
  if (committed.kind === 'done' || committed.kind === 'gone') return overtaken(deps, committed.kind);
  metrics.ended('committed');
  metrics.timed(run.clock.end());
  metrics.committed(chunk.model, result);
  onCommit?.();
  log.debug('a chunk was committed', { ...idsOf(run, chunk), ...result.counts });
  if (committed.kind === 'finished') {
    log.info('a task finished', { ...idsOf(run, chunk), model: chunk.model });
    // Should this be lost, the reaper does it.
    store.index.settle(committed.ended).catch(() => {});
  }
  return SETTLED;
}

/** Another run was first, or the task is over: this run changes nothing. */
function overtaken({ metrics }: RunChunkDeps, how: 'done' | 'gone'): RunOutcome {
  metrics.ended(how === 'done' ? 'repeated' : 'gone');
  return SETTLED;
}

function idsOf(run: ChunkRun, { requestId }: ChunkPlace): Record<string, string | number> {
  return { task_id: run.task, request_id: requestId, chunk: run.chunk };
}
