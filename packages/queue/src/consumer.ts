/** The consumer is responsible for one worker process's share of the queue: it takes chunks, and gives back what it cannot finish. */
import { DelayedError, type Job, WaitingError, Worker } from 'bullmq';
import type { Redis } from 'ioredis';
import { ATTEMPTS, ChunkJob, DEFAULT_POOL } from './chunk-job.js';
import type { Keys } from './keys.js';

/** One run of a chunk. */
export interface ChunkRun extends ChunkJob {
  /** No further attempt follows when this one ends in an error. */
  isLastAttempt: boolean;
  /** Workers that were lost while they ran this chunk. */
  stalls: number;
  /** Since the job was added. */
  waitedMs: number;
}

/** How a run ended. */
export type RunOutcome =
  | { kind: 'settled' }
  /** Offered again after a while; costs the chunk no attempt. */
  | { kind: 'hand_back'; afterMs: number }
  /** Tried again after the job's backoff; never said of a last attempt. */
  | { kind: 'retry'; reason: string };

export interface ConsumerOptions {
  /** For commands; BullMQ makes a second one from it, for waiting. */
  redis: Redis;
  keys: Keys;
  /** Chunks held at once. */
  concurrency: number;
  /** How long a silent worker keeps its chunks. Another one takes them over after at most twice this. */
  lockMs: number;
  run(run: ChunkRun): Promise<RunOutcome>;
  /** Undoes the start of a run that is handed back by `stop`. */
  release(run: ChunkRun): Promise<void>;
  onError(error: Error): void;
}

export class Consumer {
  private readonly worker: Worker<ChunkJob, void, 'chunk'>;
  private handBack: () => void = () => {};
  private readonly stopping = new Promise<'stopping'>((resolve) => {
    this.handBack = () => resolve('stopping');
  });
  private running = new Set<Promise<void>>();
  private stopped: Promise<void> | undefined;

  constructor(private readonly options: ConsumerOptions) {
    this.worker = new Worker<ChunkJob, void, 'chunk'>(
      DEFAULT_POOL,
      (job, token) => this.track(this.process(job, token)),
      {
        connection: options.redis,
        prefix: options.keys.queuePrefix,
        concurrency: options.concurrency,
        lockDuration: options.lockMs,
        stalledInterval: Math.ceil(options.lockMs / 2),
        // The run itself gives a chunk up, in the ledger; BullMQ failing the job would leave the task waiting for ever.
        maxStalledCount: Number.MAX_SAFE_INTEGER,
        runRetryDelay: 500,
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
    await this.worker.pause(true);
    const timer = setTimeout(this.handBack, graceMs);
    await Promise.allSettled(this.running);
    clearTimeout(timer);
    await this.worker.close();
  }

  private track(run: Promise<void>): Promise<void> {
    this.running.add(run);
    const forget = () => this.running.delete(run);
    run.then(forget, forget);
    return run;
  }

  private async process(job: Job<ChunkJob, void, 'chunk'>, token: string | undefined): Promise<void> {
    const run: ChunkRun = {
      ...ChunkJob.parse(job.data),
      isLastAttempt: job.attemptsMade + 1 >= ATTEMPTS,
      stalls: job.stalledCounter,
      waitedMs: Date.now() - job.timestamp,
    };
    const outcome = await Promise.race([this.options.run(run), this.stopping]);
    if (outcome === 'stopping') {
      await this.options.release(run);
      await job.moveToWait(token);
      throw new WaitingError();
    }
    switch (outcome.kind) {
      case 'settled':
        return;
      case 'hand_back':
        await job.moveToDelayed(Date.now() + outcome.afterMs, token);
        throw new DelayedError();
      case 'retry':
        throw new Error(outcome.reason);
    }
  }
}
