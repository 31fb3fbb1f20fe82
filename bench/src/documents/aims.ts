/** What was aimed at, and whether a run has reached it. */

import type { Spread } from '../statistics.js';
import { type Figures, markdownTable, medianText, megabytes, spreadText } from './figures.js';

/** A figure that is measured by an aim. */
interface Reached {
  name: string;
  spread: Spread | undefined;
  isReached?: (median: number) => boolean;
}

interface Line {
  aim: string;
  /** None where it is not a spread that is aimed at. */
  reached: readonly Reached[];
  /** Of such a line. */
  isReached?: boolean;
  /** What else says something of it. */
  beside?: string;
  unit?: string;
}

const STREAMS: readonly (readonly [string, string])[] = [
  ['CSV', 'millrace, CSV'],
  ['Arrow', 'millrace, Arrow'],
  ['NDJSON', 'millrace, NDJSON'],
];
const ALL = [...STREAMS, ['JSON', 'millrace, JSON, 10,000-row requests']] as const;

export function aimTable(figures: Figures): string {
  return markdownTable([
    ['aimed at', '', 'reached'],
    ...lines(figures).map(({ aim, reached, isReached, beside, unit = '' }) => {
      const shown = reached.map(({ name, spread }) => `${name} ${spreadText(spread)}${unit}`.trim());
      const found = isReached === undefined ? verdict(reached) : yesOrNo(isReached);
      return [aim, found, [shown.join(', '), beside].filter(Boolean).join('; ')];
    }),
  ]);
}

/** Yes, no, or the names of those that have reached it; nothing where there is no aim, or nothing was measured. */
export function verdict(reached: readonly Reached[]): string {
  const aimed = reached.filter(({ spread, isReached }) => spread !== undefined && isReached !== undefined);
  const good = aimed.filter(({ spread, isReached }) => isReached?.((spread as Spread).median));
  if (aimed.length === 0) return '';
  if (good.length === 0) return yesOrNo(false);
  return good.length === aimed.length ? yesOrNo(true) : good.map(({ name }) => name).join(', ');
}

function yesOrNo(isReached: boolean): string {
  return isReached ? 'yes' : '**no**';
}

function lines(figures: Figures): Line[] {
  const ratios = (
    scenario: string,
    variants: readonly (readonly [string, string])[],
    reference: string,
    isReached?: (median: number) => boolean,
  ): Reached[] =>
    variants.map(([name, variant]) => ({
      name,
      spread: figures.ratio(scenario, variant, reference),
      ...(isReached === undefined ? {} : { isReached }),
    }));
  const atLeast = (aim: number) => (median: number) => median >= aim;
  const bare = (reference: string) =>
    `bare ONNX Runtime ${spreadText(figures.ratio('bulk', 'bare ORT', reference))}`;
  const against = (aim: number, peer: string, kind: string, variants: typeof STREAMS): Line => ({
    aim: `bulk: ${aim} times the ${peer === 'tuned' ? 'tuned service' : peer}, in ${kind === 'one request' ? 'one giant request' : 'requests of 10,000 rows'}`,
    reached: ratios('bulk', variants, `${peer}, ${kind}`, atLeast(aim)),
    beside: bare(`${peer}, ${kind}`),
  });
  const millrace = [['', 'millrace']] as const;
  const ndjson = [['', 'millrace, NDJSON']] as const;
  return [
    { aim: 'bulk: 0.75 of the serial floor', reached: ratios('bulk', ALL, 'serial floor', atLeast(0.75)) },
    against(8, 'recipe', '10,000-row requests', ALL),
    against(2.5, 'tuned', '10,000-row requests', ALL),
    against(12, 'recipe', 'one request', STREAMS),
    against(5, 'tuned', 'one request', STREAMS),
    cpuLine(figures),
    { aim: 'heavy: 0.95 of bare ONNX Runtime', reached: ratios('heavy', ndjson, 'bare ORT', atLeast(0.95)) },
    { aim: 'text (no aim): of bare ONNX Runtime', reached: ratios('text', ndjson, 'bare ORT') },
    {
      aim: 'small: 15 times the recipe',
      reached: ratios('small', millrace, 'recipe', atLeast(15)),
      beside: jobCost(figures),
    },
    { aim: 'small: 5 times the tuned service', reached: ratios('small', millrace, 'tuned', atLeast(5)) },
    idleLine(figures, "a quarter of the recipe's", 'recipe', 1 / 4),
    idleLine(figures, "below the tuned service's", 'tuned', 1),
    ...hugeLines(figures),
    {
      aim: 'scaling: two workers 1.8 times one',
      reached: ratios('scaling', [['', 'two workers']], 'one worker', atLeast(1.8)),
      beside: `bare ONNX Runtime on two threads ${spreadText(figures.ratio('scaling', 'bare ORT, two threads', 'bare ORT, one thread'))} times that on one`,
    },
    {
      aim: 'cliff: within 10 % of 1,000 chunks waiting',
      reached: ratios(
        'cliff',
        ['10,000', '100,000'].map((depth) => [depth, `${depth} chunks waiting`] as const),
        '1,000 chunks waiting',
        (median) => Math.abs(median - 1) <= 0.1,
      ),
    },
    stepsLine(figures),
  ];
}

function cpuLine(figures: Figures): Line {
  const recipe = figures.cpu('bulk', 'recipe, 10,000-row requests');
  return {
    aim: "bulk: a sixth of the recipe's CPU seconds per million rows",
    reached: ALL.map(([name, variant]) => ({
      name,
      spread: figures.cpu('bulk', variant),
      isReached: (median) => recipe !== undefined && median <= recipe.median / 6,
    })),
    beside: `the recipe ${spreadText(recipe)}, bare ONNX Runtime ${spreadText(figures.cpu('bulk', 'bare ORT'))}`,
  };
}

/** Ten rows each: a second per million rows is a hundredth of a millisecond per job. */
function jobCost(figures: Figures): string {
  const ms = (process: string) => {
    const perMillion = figures.variant('small', 'millrace')?.cpu_seconds_per_million_rows?.[process];
    return perMillion && { ...perMillion, median: perMillion.median / 100 };
  };
  const parts = ['api', 'worker', 'redis'].map((process) => `${process} ${medianText(ms(process), 2)}`);
  return `CPU ms of a job: ${parts.join(', ')}`;
}

function idleLine(figures: Figures, aim: string, peer: string, part: number): Line {
  const other = figures.p50('idle', peer);
  return {
    aim: `idle: p50 ${aim}`,
    reached: [
      {
        name: '',
        spread: figures.p50('idle', 'millrace'),
        isReached: (median) => other !== undefined && median <= other.median * part,
      },
    ],
    unit: ' ms',
    beside: `${peer === 'tuned' ? 'the tuned service' : 'the recipe'} ${spreadText(other)} ms`,
  };
}

/** So long a process grows because it has begun. */
const BEGINNING_S = 2;
const FLAT_BYTES = 100e6;

function hugeLines(figures: Figures): Line[] {
  const huge = figures.variant('huge', 'millrace, NDJSON');
  const { memory, memory_curve: curve = [] } = huge?.samples[0] ?? {};
  const text = (process: string) => {
    const later = curve.filter(({ seconds }) => seconds >= BEGINNING_S);
    const bytes = later.map((point) => point.bytes[process] ?? 0);
    const { before_bytes: before, peak_bytes: peak } = memory?.[process] ?? {};
    return `${megabytes(before)} MB before, ${megabytes(peak)} at its peak; after two seconds ${megabytes(Math.min(...bytes))} to ${megabytes(Math.max(...bytes))}`;
  };
  const { before_bytes: before = 0, peak_bytes: peak = Number.NaN } = memory?.api ?? {};
  return [
    {
      aim: 'huge: the API flat within 100 MB',
      reached: [],
      isReached: peak - before <= FLAT_BYTES,
      beside: text('api'),
    },
    { aim: 'huge: the worker flat', reached: [], beside: text('worker') },
    {
      aim: 'huge: Redis holds what is in flight, and results',
      reached: [],
      beside: `${medianText(huge?.redis_stored_bytes_per_row)} bytes a row are stored, ${medianText(huge?.redis_peak_bytes_per_row)} the most at any time`,
    },
  ];
}

function stepsLine(figures: Figures): Line {
  const part = figures.ofSamples('bulk', 'millrace, CSV', ({ step_seconds: steps }) => {
    if (steps?.total === undefined) return undefined;
    const { total, ...parts } = steps;
    return Object.values(parts).reduce((sum, seconds) => sum + seconds, 0) / total;
  });
  return {
    aim: 'steps that add up to the whole within 2 %',
    reached: [{ name: 'CSV', spread: part, isReached: (median) => Math.abs(median - 1) <= 0.02 }],
  };
}
