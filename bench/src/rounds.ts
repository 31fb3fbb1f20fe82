/** Lets variants take turns, round by round, so that whatever drifts on the machine hits all of them alike. */
import { collectGarbage } from './collect-garbage.js';
import type { Sample } from './report.js';
import type { OpenScenario } from './scenarios/scenario.js';

/** Samples by the name of their variant. */
export type Round = ReadonlyMap<string, Sample>;

/**
 * One run of each that is not counted, then the rounds. Each round begins with another variant.
 * @param say hears of every round
 * @throws what a run throws, and the signal's reason
 */
export async function runRounds(
  { variants, warmUp, runs: ownRuns }: OpenScenario,
  runs: number,
  signal: AbortSignal,
  say: (line: string) => void,
): Promise<Round[]> {
  const rounds: Round[] = [];
  if (warmUp === undefined) await runAll(variants, signal);
  else await warmUp();
  const count = ownRuns ?? runs;
  for (let round = 0; round < count; round++) {
    say(`  round ${round + 1} of ${count}`);
    const first = round % variants.length;
    rounds.push(await runAll([...variants.slice(first), ...variants.slice(0, first)], signal));
  }
  return rounds;
}

async function runAll(variants: OpenScenario['variants'], signal: AbortSignal): Promise<Round> {
  const samples: [string, Sample][] = [];
  for (const { name, run } of variants) {
    signal.throwIfAborted();
    collectGarbage();
    try {
      samples.push(...Object.entries(await run()));
    } catch (error) {
      throw new Error(`${name}: ${(error as Error).message}`, { cause: error });
    }
  }
  return new Map(samples);
}
