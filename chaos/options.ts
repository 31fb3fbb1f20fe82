/** The command line of the chaos program. */
import { parseArgs } from 'node:util';

export const USAGE = `npm run chaos -- [options]
  --rounds <n>     rounds of tasks and faults (20)
  --seed <n>       of all choices; the same one makes the same plan (drawn, and printed)
  --bound <s>      within which all tasks of a round have to be finished (120)
  --abandoned <s>  within which uploads that nobody acknowledged have to be gone at the end; 0 only counts them (60)
  --json           print the report as JSON, and what happens meanwhile to stderr`;

export interface ChaosOptions {
  rounds: number;
  seed: number;
  boundMs: number;
  abandonedMs: number;
  json: boolean;
}

/** @throws Error that says which option does not hold */
export function readOptions(args: readonly string[]): ChaosOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      rounds: { type: 'string', default: '20' },
      seed: { type: 'string', default: String(Math.floor(Math.random() * 1_000_000)) },
      bound: { type: 'string', default: '120' },
      abandoned: { type: 'string', default: '60' },
      json: { type: 'boolean', default: false },
    },
  });
  return {
    rounds: wholeNumber('rounds', values.rounds, 1),
    seed: wholeNumber('seed', values.seed, 0),
    boundMs: wholeNumber('bound', values.bound, 1) * 1000,
    abandonedMs: wholeNumber('abandoned', values.abandoned, 0) * 1000,
    json: values.json,
  };
}

function wholeNumber(name: string, text: string, min: number): number {
  if (/^\d{1,9}$/.test(text) && Number(text) >= min) return Number(text);
  throw new Error(`--${name} must be a whole number from ${min} on, not ${text}`);
}
