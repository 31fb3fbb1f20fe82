/** The report of a benchmark, as it is written. Seconds are wall-clock unless they are said to be CPU; bytes are bytes. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Machine } from './machine.js';
import type { Spread } from './statistics.js';

export interface Latencies {
  p50: number;
  p95: number;
  p99: number;
}

/** One run of one variant. */
export interface Sample {
  rows: number;
  /** Absent where a run is one job. */
  jobs?: number;
  seconds: number;
  /** Looks for results, of a peer that has to be polled: they are work of its own, at an interval of ours. */
  polls?: number;
  /** Of its jobs, in milliseconds. */
  latency_ms?: Latencies;
  /** Where the time went, as the client sees it: `upload`, until the task is accepted; `result`, until its last byte. */
  phases_seconds?: Record<string, number>;
  /** Of all its chunks, added up, by the platform's own account: `wait`, `decode`, `infer`, `encode`, `commit`, `total`. */
  step_seconds?: Record<string, number>;
  /** By process. */
  cpu_seconds?: Record<string, number>;
  /** Resident memory by process: the most there was in this run, and what there was when it began. */
  memory?: Record<string, { before_bytes: number; peak_bytes: number }>;
  redis?: RedisUse;
  memory_curve?: MemoryPoint[];
}

export interface RedisUse {
  /** Keys and values that were there after the run and not before: the results, with their records. */
  stored_bytes: number;
  /** The most that was allocated in the run, beyond what was before; buffers are among it. */
  peak_bytes: number;
}

/** Resident bytes by process, so long after the run began. */
export interface MemoryPoint {
  seconds: number;
  bytes: Record<string, number>;
}

export interface VariantReport {
  name: string;
  /** In the unit of its scenario. */
  rate: Spread;
  /** To another variant by name: the rate as a multiple of that one's in the same round. */
  ratios: Record<string, Spread>;
  latency_ms?: Record<keyof Latencies, Spread>;
  phases_seconds?: Record<string, Spread>;
  step_seconds_per_million_rows?: Record<string, Spread>;
  cpu_seconds_per_million_rows?: Record<string, Spread>;
  peak_bytes?: Record<string, Spread>;
  redis_stored_bytes_per_row?: Spread;
  redis_peak_bytes_per_row?: Spread;
  samples: Sample[];
}

export interface ScenarioReport {
  name: string;
  unit: 'rows/s' | 'jobs/s';
  /** What the variants' rates are compared with. */
  references: string[];
  /** What was really used, by peer. */
  settings: Record<string, Record<string, string>>;
  versions: Record<string, Record<string, string>>;
  variants: VariantReport[];
}

export interface BenchReport {
  started_at: string;
  seconds: number;
  runs: number;
  quick: boolean;
  machine: Machine;
  scenarios: ScenarioReport[];
  /** What is not in it, and why. */
  left_out: string[];
  /** Predictions that were not those of bare ONNX Runtime, and whatever else ended a scenario. */
  failures: { scenario: string; message: string }[];
}

/** @param path made with its folder when absent */
export function writeReport(path: string, report: BenchReport): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, `${JSON.stringify(report, null, 1)}\n`);
}
