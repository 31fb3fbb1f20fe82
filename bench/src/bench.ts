/** The benchmark is responsible for its scenarios, one after the other, each with what it started and all of that ended. */
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { Cleanup } from './cleanup.js';
import { describeMachine, loadNow } from './machine.js';
import type { BenchOptions } from './options.js';
import { PythonPeers } from './peers/python-peers.js';
import { untilQuiet } from './quiet.js';
import type { BenchReport, ScenarioReport } from './report.js';
import { runRounds } from './rounds.js';
import { SCENARIOS } from './scenarios/all.js';
import type { ScenarioName } from './scenarios/names.js';
import type { ScenarioContext } from './scenarios/scenario.js';
import { summarise } from './summary.js';
import { scenarioText } from './table.js';

export interface BenchSetting {
  /** For all that is written on the way. */
  directory: string;
  /** The Redis server's binary. */
  redis: string;
  signal: AbortSignal;
  /** Hears what happens, */
  say(line: string): void;
  /** and the table of each scenario. */
  print(text: string): void;
}

/** A scenario that fails is in the report with the reason, and the next one goes on. */
export async function runBench(options: BenchOptions, setting: BenchSetting): Promise<BenchReport> {
  const { signal, say, print } = setting;
  if (!options.quick) {
    say('waits for a quiet machine, two minutes at most');
    await untilQuiet({ load: loadNow, signal });
  }
  const startedAt = new Date();
  const report: BenchReport = {
    started_at: startedAt.toISOString(),
    seconds: 0,
    runs: options.runs,
    quick: options.quick,
    machine: describeMachine(),
    scenarios: [],
    left_out: [],
    failures: [],
  };
  const pythons = new PythonPeers(options.peers, signal, (line) => {
    say(line);
    if (!report.left_out.includes(line)) report.left_out.push(line);
  });
  for (const name of options.only) {
    if (signal.aborted) break;
    say(name);
    try {
      const scenario = await runScenario(name, options, setting, pythons);
      report.scenarios.push(scenario);
      print(`${scenarioText(scenario)}\n`);
    } catch (error) {
      const message = signal.aborted ? 'it was broken off' : (error as Error).message;
      report.failures.push({ scenario: name, message });
      say(`${name} FAILED: ${message}`);
    }
  }
  report.seconds = (Date.now() - startedAt.getTime()) / 1000;
  return report;
}

async function runScenario(
  name: ScenarioName,
  options: BenchOptions,
  { directory: parent, redis, signal, say }: BenchSetting,
  pythons: PythonPeers,
): Promise<ScenarioReport> {
  const directory = join(parent, name);
  mkdirSync(directory);
  const cleanup = new Cleanup();
  const context: ScenarioContext = {
    options,
    directory,
    redis,
    cleanup,
    signal,
    startPythonPeers: (pollMs) => pythons.start(pollMs, cleanup),
  };
  try {
    const scenario = await SCENARIOS[name](context);
    const rounds = await runRounds(scenario, options.runs, signal, say);
    return summarise(name, scenario, rounds);
  } finally {
    await cleanup.run();
    rmSync(directory, { recursive: true, force: true });
  }
}
