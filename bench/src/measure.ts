/** Measures one run on a peer: time, CPU, memory, what is stored; then checks what was delivered. */
import type { Peer } from './peers/peer.js';
import type { Latencies, Sample } from './report.js';
import { percentile } from './statistics.js';
import { UsageMeter } from './usage/usage-meter.js';

/** What the work of a run came to. */
export interface Done {
  phases_seconds?: Record<string, number>;
  latency_ms?: Latencies;
  polls?: number;
  /** Compares it with what it should be, after the clock has stopped. @throws DifferenceError */
  check(): void | Promise<void>;
  /** Asks the platform where the time of the task's chunks went, after the clock has stopped as well. */
  stepSeconds?(): Promise<Record<string, number>>;
}

export interface RunSize {
  rows: number;
  jobs?: number;
  /** Records memory over time. */
  curve?: boolean;
}

/** What measuring asks of a peer; of a model without a service, its processes are all there is. */
export type Measured = Pick<Peer, 'ids' | 'measureStore' | 'forget'>;

/** A task that is lost must not be waited for without end. */
const RUN_MS = 1_800_000;

/** @throws DifferenceError, or whatever the work meets, or Error when it does not end */
export async function measureRun(peer: Measured, size: RunSize, work: () => Promise<Done>): Promise<Sample> {
  const { curve = false, ...counts } = size;
  const store = await peer.measureStore?.();
  const usage = new UsageMeter(peer.ids, { curve });
  const startedAt = performance.now();
  const { check, stepSeconds, ...done } = await bounded(work()).catch(async (error: unknown) => {
    usage.stop();
    await store?.stop().catch(() => {});
    throw error;
  });
  const seconds = (performance.now() - startedAt) / 1000;
  const used = usage.stop();
  const redis = await store?.stop();
  await check();
  const steps = await stepSeconds?.();
  await peer.forget?.();
  return {
    ...counts,
    seconds,
    ...done,
    ...(steps === undefined ? {} : { step_seconds: steps }),
    ...used,
    ...(redis === undefined ? {} : { redis }),
  };
}

/** @param ms of each job */
export function latenciesOf(ms: Float64Array): Latencies {
  const sorted = ms.toSorted();
  return { p50: percentile(sorted, 0.5), p95: percentile(sorted, 0.95), p99: percentile(sorted, 0.99) };
}

function bounded<T>(work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const end = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`there was no end of it after ${RUN_MS / 1000} s`)), RUN_MS);
  });
  return Promise.race([work, end]).finally(() => clearTimeout(timer));
}
