/** What a worker counts. */
import type { ChunkResult } from '@millrace/batch/results/encode-chunk';
import { STEPS, type StepSeconds } from '@millrace/batch/step-seconds';
import { STEP_SECONDS, WAIT_SECONDS } from '@millrace/process/metrics';
import { MENDS, type Mend } from '@millrace/queue/reaper';
import { Counter, Histogram, type Registry } from 'prom-client';
import type { CacheCounts } from './cache/messages.js';

type RowCounter = Counter<'model' | 'outcome'>;

export class WorkerMetrics {
  private readonly chunks: Counter<'outcome'>;
  private readonly rows: RowCounter;
  private readonly cacheRows: RowCounter;
  private readonly cacheStored: RowCounter;
  private readonly steps: Histogram<'step'>;
  private readonly chunkSeconds: Histogram;
  private readonly waiting: Histogram;
  private readonly mends: Counter<'what'>;
  private readonly expired: Counter;

  constructor(registry: Registry) {
    const registers = [registry];
    this.chunks = new Counter({
      name: 'millrace_chunks_total',
      help: 'Runs of chunks by how they ended.',
      labelNames: ['outcome'],
      registers,
    });
    this.rows = new Counter({
      name: 'millrace_rows_total',
      help: 'Rows committed by this worker, by outcome.',
      labelNames: ['model', 'outcome'],
      registers,
    });
    this.cacheRows = new Counter({
      name: 'millrace_cache_rows_total',
      help: 'Rows of models with a prediction cache, by where the prediction came from.',
      labelNames: ['model', 'outcome'],
      registers,
    });
    this.cacheStored = new Counter({
      name: 'millrace_cache_stored_rows_total',
      help: 'Predictions that the prediction cache did not hold, by what became of them there.',
      labelNames: ['model', 'outcome'],
      registers,
    });
    this.steps = new Histogram({
      name: 'millrace_chunk_step_seconds',
      help: 'Seconds that a committed chunk spent in each step since it was queued.',
      labelNames: ['step'],
      buckets: STEP_SECONDS,
      registers,
    });
    this.chunkSeconds = new Histogram({
      name: 'millrace_chunk_seconds',
      help: 'Seconds from the moment a committed chunk was queued until it was committed: the sum of its steps.',
      buckets: WAIT_SECONDS,
      registers,
    });
    this.waiting = new Histogram({
      name: 'millrace_chunk_waiting_seconds',
      help: 'Seconds from the moment a chunk is queued to the moment a worker takes it.',
      buckets: WAIT_SECONDS,
      registers,
    });
    this.mends = new Counter({
      name: 'millrace_reaper_mended_total',
      help: 'What crashes have left behind and this worker has put right. None in a healthy run.',
      labelNames: ['what'],
      registers,
    });
    for (const what of MENDS) this.mends.inc({ what }, 0);
    this.expired = new Counter({
      name: 'millrace_results_expired_early_total',
      help: 'Tasks whose results went before their time because all results together were too large.',
      registers,
    });
  }

  mended(what: Mend): void {
    this.mends.inc({ what });
  }

  /** The results of a task went before their time. */
  expiredEarly(): void {
    this.expired.inc();
  }

  waited(seconds: number): void {
    this.waiting.observe(seconds);
  }

  /** @param seconds of a committed chunk, by step and from being queued on */
  timed({ seconds, total }: { seconds: StepSeconds; total: number }): void {
    for (const step of STEPS) this.steps.observe({ step }, seconds[step]);
    this.chunkSeconds.observe(total);
  }

  ended(outcome: 'committed' | 'repeated' | 'gone' | 'handed_back' | 'timed_out' | 'retried'): void {
    this.chunks.inc({ outcome });
  }

  committed(model: string, { counts }: ChunkResult): void {
    count(this.rows, model, counts);
  }

  /** The prediction cache was asked for rows. */
  looked(model: string, counts: CacheCounts): void {
    count(this.cacheRows, model, counts);
  }

  /** It was given predictions to keep. */
  kept(model: string, stored: number, dropped: number): void {
    count(this.cacheStored, model, { stored, dropped });
  }
}

/** What has not been counted yet shows no series. */
function count(counter: RowCounter, model: string, rows: object): void {
  for (const [outcome, number] of Object.entries(rows))
    if (number > 0) counter.inc({ model, outcome }, number);
}
