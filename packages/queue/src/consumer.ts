/** The consumer is responsible for one worker process's share of the queue: it takes chunks, and gives back what it cannot finish. */
import { DelayedError, type Job, Worker } from 'bullmq';
import { ATTEMPTS, ChunkJob, STALLS_SUSPECT } from './chunk-job.js';
import type { RedisConnection } from './connection.js';
import type { Keys } from './keys.js';

/** One run of a chunk. */
export interface ChunkRun extends Pick<ChunkJob, 'task' | 'chunk'> {
  /** No further attempt follows when this one ends in an error. */
  isLastAttempt: boolean;
  /** Runs of this chunk so far, this one among them, however they ended. */
  starts: number;
  /** Workers that were lost while they ran this chunk. */
  stalls: number;
  /** It may end the process that runs it, or take for ever: to be run apart from others. */
  isSuspect: boolean;
  /** Since the job was added. */
  waitedMs: number;
  /** Aborted when a stopping worker has handed its runs back: what becomes of this one is no longer its business. */
  handedBack: AbortSignal;
}

/** How a run ended. */
export type RunOutcome =
  | { kind: 'settled' }
  /** Offered again after a while; costs the chunk no attempt. */
  | { kind: 'hand_back'; afterMs: number }
  /** Offered again at once, as a suspect; costs the chunk no attempt. */
  | { kind: 'suspect' }
  /** Tried again after the job's backoff; never said of a last attempt. */
  | { kind: 'retry'; reason: string };

export interface ConsumerOptions {
  /** For commands; BullMQ makes a second one from it, for waiting. */
  redis: RedisConnection;
  keys: Keys;
  /** The pool whose chunks it takes. */
  pool: string;
  /** Chunks held at once. */
  concurrency: number;
  /** How long a silent worker keeps its chunks. Another one takes them over after at most twice this. */
  lockMs: number;
  run(run: ChunkRun): Promise<RunOutcome>;
  /** Undoes the start of a run that is to be made again. */
  release(run: ChunkRun): Promise<void>;
  onError(error: Error): void;
}

export class Consumer {
  private readonly worker: Worker<ChunkJob, void, 'chunk'>;
  /** Aborted when what still runs is to be handed back. */
  private readonly grace = new AbortController();
  /** What hands back each of the runs under way. */
  private readonly handBacks = new Set<() => void>();
  private stopped: Promise<void> | undefined;

  constructor(private readonly options: ConsumerOptions) {
    this.worker = new Worker<ChunkJob, void, 'chunk'>(
      options.pool,
      (job, token) => this.process(job, token),
      {
        connection: options.redis,
        prefix: options.keys.queuePrefix,
        concurrency: options.concurrency,
        lockDuration: options.lockMs,
        stalledInterval: Math.ceil(options.lockMs / 2),
        // The run itself gives a chunk up, in the ledger; BullMQ failing the job would leave the task waiting for ever.
        maxStalledCount: Number.MAX_SAFE_INTEGER,
        runRetryDelay: 500,
        skipVersionCheck: true,
        autorun: false,
      },
    );
    this.worker.on('error', options.onError);
  }

  start(): void {
    this.worker.run().catch(this.options.onError);
  }

  /**
   * Takes no more chunks at once, lets those that run finish for `graceMs`, and hands the rest back to the queue.
   * Calling it again waits for the same stop.
   */
  stop(graceMs: number): Promise<void> {
    this.stopped ??= this.stopWithin(graceMs);
    return this.stopped;
  }

  private async stopWithin(graceMs: number): Promise<void> {
    const timer = setTimeout(() => this.endGrace(), graceMs);
    await this.worker.close();
    clearTimeout(timer);
  }

  private endGrace(): void {
    this.grace.abort();
    for (const handBack of this.handBacks) handBack();
  }

  private async process(job: Job<ChunkJob, void, 'chunk'>, token: string | undefined): Promise<void> {
    const { task, chunk, suspect } = ChunkJob.parse(job.data);
    const run: ChunkRun = {
      task,
      chunk,
      isLastAttempt: job.attemptsMade + 1 >= ATTEMPTS,
      starts: job.attemptsStarted,
      stalls: job.stalledCounter,
      isSuspect: suspect === true || job.stalledCounter >= STALLS_SUSPECT,
      waitedMs: Date.now() - job.timestamp,
      handedBack: this.grace.signal,
    };
    const outcome = await this.outcomeOf(run);
    switch (outcome.kind) {
      case 'settled':
        return;
      case 'suspect':
        // Without the mark it exceeds its time limit once more, which is found out again.
        await job.updateData({ task, chunk, suspect: true }).catch(this.options.onError);
        return this.handBack(run, job, token, 0);
      case 'hand_back':
        return this.handBack(run, job, token, outcome.afterMs);
      case 'retry':
        await this.options.release(run).catch(this.options.onError);
        throw new Error(outcome.reason);
    }
  }

  private async handBack(
    run: ChunkRun,
    job: Job<ChunkJob, void, 'chunk'>,
    token: string | undefined,
    afterMs: number,
  ): Promise<never> {
    // A ledger that says "running" a little longer harms nobody; an error here would cost the chunk an attempt.
    await this.options.release(run).catch(this.options.onError);
    // Delayed, if only until now: a job that is put back among the waiting wakes no idle worker.
    await job.moveToDelayed(Date.now() + afterMs, token);
    throw new DelayedError();
  }

  /** How the run ends, or that it is handed back, whichever comes first. Nothing outlives the run. */
  private outcomeOf(run: ChunkRun): Promise<RunOutcome> {
    return new Promise((resolve, reject) => {
      const handBack = () => resolve({ kind: 'hand_back', afterMs: 0 });
      if (this.grace.signal.aborted) return handBack();
      this.handBacks.add(handBack);
      this.options
        .run(run)
        .then(resolve, reject)
        .finally(() => this.handBacks.delete(handBack));
    });
  }
}
