/** What a scenario is made of, and what it is given. */
import type { Cleanup } from '../cleanup.js';
import type { BenchOptions } from '../options.js';
import type { Peer } from '../peers/peer.js';
import type { PythonPeer } from '../peers/python.js';
import type { Sample, ScenarioReport } from '../report.js';

export interface ScenarioContext {
  options: BenchOptions;
  /** For models and Redis's files. */
  directory: string;
  /** The Redis server's binary. */
  redis: string;
  /** Starts the Python peers that are asked for and can be; they are stopped with the scenario. */
  startPythonPeers(pollMs: number): Promise<PythonPeer[]>;
  /** Takes the ends of what is opened. */
  cleanup: Cleanup;
  signal: AbortSignal;
}

/** What takes its turn in every round. */
export interface Variant {
  name: string;
  /** One run: a sample, by the name of the variant or of each part of it. @throws DifferenceError */
  run(): Promise<Record<string, Sample>>;
}

export type Described = Pick<Peer, 'name' | 'versions' | 'settings'>;

export interface OpenScenario {
  unit: ScenarioReport['unit'];
  variants: readonly Variant[];
  /** Names of the samples that others are compared with. */
  references: readonly string[];
  /** Whose versions and settings the report tells. */
  described: readonly Described[];
  /** What runs once, uncounted, so that code is compiled and memory is there; absent: every variant. */
  warmUp?: () => Promise<unknown>;
  /** Rounds, where they are not those of the options. */
  runs?: number;
}

export type Scenario = (context: ScenarioContext) => Promise<OpenScenario>;

/** Inference threads, of the platform and of the floor alike. */
export const THREADS = 2;
