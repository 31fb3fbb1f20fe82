/** The command line of the benchmark. */
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { SCENARIO_NAMES, type ScenarioName } from './scenarios/names.js';

export const USAGE = `npm run bench -- [options]
  --only <names>       scenarios, by commas: ${SCENARIO_NAMES.join(', ')} (all of them)
  --runs <n>           counted runs of every variant, in turns (5)
  --rows <n>           rows of a run of bulk; the other scenarios keep their share of it (1000000)
  --peers <names>      what to compare with, by commas: recipe, tuned, or none (both, where bench/recipe is there)
  --iris-model <path>  a version folder to serve in place of models/iris/1; it has to predict the same
  --json <path>        where the report goes (bench/results/<date>.json)
  --quick              one run of each with few rows: shows that everything works, its figures mean nothing`;

export const PEER_NAMES = ['recipe', 'tuned'] as const;
export type PeerName = (typeof PEER_NAMES)[number];

export interface BenchOptions {
  only: ScenarioName[];
  runs: number;
  /** Of a run of bulk. */
  rows: number;
  /** Undefined: those that there are. */
  peers: PeerName[] | undefined;
  irisModel: string;
  json: string;
  quick: boolean;
}

const ROWS = 1_000_000;
const QUICK_ROWS = 2_000;
const RUNS = 5;

/** @param now names the file of the report @throws Error that says which option does not hold */
export function readOptions(args: readonly string[], now: Date): BenchOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      only: { type: 'string', default: SCENARIO_NAMES.join(',') },
      runs: { type: 'string' },
      rows: { type: 'string' },
      peers: { type: 'string' },
      'iris-model': { type: 'string', default: 'models/iris/1' },
      json: { type: 'string' },
      quick: { type: 'boolean', default: false },
    },
  });
  const { quick } = values;
  const file = `bench/results/${now.toISOString().slice(0, 19).replaceAll(':', '-')}.json`;
  return {
    only: names('only', values.only, SCENARIO_NAMES),
    runs: wholeNumber('runs', values.runs ?? String(quick ? 1 : RUNS)),
    rows: wholeNumber('rows', values.rows ?? String(quick ? QUICK_ROWS : ROWS)),
    peers: peers(values.peers),
    irisModel: resolve(values['iris-model']),
    json: resolve(values.json ?? file),
    quick,
  };
}

function peers(text: string | undefined): PeerName[] | undefined {
  if (text === undefined) return undefined;
  return text === 'none' ? [] : names('peers', text, PEER_NAMES);
}

function names<T extends string>(option: string, text: string, known: readonly T[]): T[] {
  return text.split(',').map((name) => {
    const found = known.find((each) => each === name);
    if (found === undefined) throw new Error(`--${option} knows ${known.join(', ')}, not "${name}"`);
    return found;
  });
}

function wholeNumber(option: string, text: string): number {
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text);
  throw new Error(`--${option} must be a whole number from 1 on, not ${text}`);
}
