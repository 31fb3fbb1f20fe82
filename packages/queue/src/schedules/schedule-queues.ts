/**
 * The schedule queues are responsible for who does what there is to do for schedules: BullMQ gives each tick, run and alarm
 * to one process, keeps it there by a lock, and gives it to another when that process is gone. They carry names only, and
 * may lose or repeat whatever they carry: the records say what there is to do.
 */
import { DelayedError, type Job, Queue, Worker } from 'bullmq';
import { z } from 'zod';
import type { RedisConnection } from '../connection.js';
import type { Keys } from '../keys.js';
import { Alarm } from './alarm.js';

const RunJob = z.strictObject({ schedule: z.string(), logicalDate: z.string() });
export type RunJob = z.infer<typeof RunJob>;

/** How a run of a job ended. */
export type JobOutcome =
  | { kind: 'done' }
  /** Offered again after a while; counts as a try. */
  | { kind: 'retry'; reason: string }
  /** Offered again after a while, to another process perhaps; counts as none. */
  | { kind: 'hand_back'; afterMs: number };

/** Tries of a run that fails for reasons that may pass: over two and a half minutes. */
export const RUN_TRIES = 5;
const RUN_BACKOFF_MS = 10_000;
/** Tries of a delivery: over some two hours. */
export const DELIVERY_TRIES = 10;
const DELIVERY_BACKOFF_MS = 15_000;
const EVENTS_KEPT = 1_000;
const PRIORITY = 1;
const TICK = 'tick';

const COMMON = {
  priority: PRIORITY,
  removeOnComplete: true,
  // One that is given up all the same would keep others with its id from being added.
  removeOnFail: true,
} as const;

/** What has become of a run's earlier tries. */
export interface EarlierTries {
  /** No further one follows when this one fails. */
  isLast: boolean;
  /** Processes that were lost over it. */
  stalls: number;
}

export interface ScheduleWork {
  run(job: RunJob, before: EarlierTries): Promise<JobOutcome>;
  /** @param attempt from 1 */
  deliver(alarm: Alarm, attempt: number): Promise<JobOutcome>;
  tick(): Promise<void>;
}

export interface ScheduleQueuesOptions {
  redis: RedisConnection;
  keys: Keys;
  tickMs: number;
  /** Runs of one process at once. */
  runsAtOnce: number;
  /** How long a silent process keeps what it has taken. */
  lockMs: number;
  onError(error: Error): void;
}

export class ScheduleQueues {
  private readonly runs: Queue<RunJob>;
  private readonly alarms: Queue<Alarm>;
  private readonly ticks: Queue;
  private readonly workers: Worker[] = [];

  constructor(private readonly options: ScheduleQueuesOptions) {
    const { redis: connection, keys, onError } = options;
    const settings = {
      connection,
      prefix: keys.scheduleQueuePrefix,
      skipVersionCheck: true,
      streams: { events: { maxLen: EVENTS_KEPT } },
    };
    this.runs = new Queue('runs', settings);
    this.alarms = new Queue('alarms', settings);
    this.ticks = new Queue('ticks', settings);
    for (const queue of [this.runs, this.alarms, this.ticks]) queue.on('error', onError);
  }

  /** Queues a run, if it is not queued. */
  async addRun(job: RunJob): Promise<void> {
    await this.runs.add('run', job, {
      ...COMMON,
      jobId: jobId(job.schedule, job.logicalDate),
      attempts: RUN_TRIES,
      backoff: { type: 'exponential', delay: RUN_BACKOFF_MS },
    });
  }

  /** Queues the delivery of an alarm, if it is not queued. */
  async addAlarm(alarm: Alarm): Promise<void> {
    await this.alarms.add('deliver', alarm, {
      ...COMMON,
      jobId: alarm.id,
      attempts: DELIVERY_TRIES,
      backoff: { type: 'exponential', delay: DELIVERY_BACKOFF_MS, jitter: 0.2 },
    });
  }

  /** Makes sure that there are ticks; harmless when there are. */
  async ensureTicks(): Promise<void> {
    const every = this.options.tickMs;
    await this.ticks.upsertJobScheduler(TICK, { every }, { name: TICK, opts: COMMON });
  }

  /** Takes ticks, runs and alarms from now on. */
  start(work: ScheduleWork): void {
    const { runsAtOnce } = this.options;
    this.consume<unknown>('ticks', 1, async () => {
      await work.tick();
      return { kind: 'done' };
    });
    this.consume<RunJob>('runs', runsAtOnce, (job) =>
      work.run(RunJob.parse(job.data), {
        isLast: job.attemptsMade + 1 >= RUN_TRIES,
        stalls: job.stalledCounter,
      }),
    );
    this.consume<Alarm>('alarms', 4, (job) => work.deliver(Alarm.parse(job.data), job.attemptsMade + 1));
  }

  /** Takes nothing more, and waits for what is under way. */
  async stop(): Promise<void> {
    await Promise.all(this.workers.map((worker) => worker.close()));
    await Promise.all([this.runs, this.alarms, this.ticks].map((queue) => queue.close()));
  }

  private consume<Data>(
    name: string,
    concurrency: number,
    work: (job: Job<Data>) => Promise<JobOutcome>,
  ): void {
    const { redis: connection, keys, lockMs, onError } = this.options;
    const process = async (job: Job<Data>, token?: string): Promise<void> => {
      const outcome = await work(job);
      switch (outcome.kind) {
        case 'done':
          return;
        case 'retry':
          throw new Error(outcome.reason);
        case 'hand_back':
          await job.moveToDelayed(Date.now() + outcome.afterMs, token);
          throw new DelayedError();
      }
    };
    const worker = new Worker<Data, void>(name, process, {
      connection,
      prefix: keys.scheduleQueuePrefix,
      concurrency,
      lockDuration: lockMs,
      stalledInterval: Math.ceil(lockMs / 2),
      maxStalledCount: Number.MAX_SAFE_INTEGER,
      runRetryDelay: 500,
      skipVersionCheck: true,
    });
    worker.on('error', onError);
    // What throws is no outcome: a fault, or an outage; it is tried again.
    worker.on('failed', (_, error) => onError(error));
    this.workers.push(worker);
  }
}

/** BullMQ's ids have no colons. */
function jobId(schedule: string, logicalDate: string): string {
  return `${schedule} ${logicalDate.replaceAll(':', '.')}`;
}
