/** Makes medians and ranges of the rounds of a scenario, and ratios within each round. */
import type { Sample, ScenarioReport, VariantReport } from './report.js';
import type { Round } from './rounds.js';
import type { OpenScenario } from './scenarios/scenario.js';
import { type Spread, spreadOf } from './statistics.js';

const MILLION = 1_000_000;

/** @param rounds at least one */
export function summarise(name: string, scenario: OpenScenario, rounds: readonly Round[]): ScenarioReport {
  const { unit, references, described } = scenario;
  const names = [...(rounds[0]?.keys() ?? [])];
  // The order of the variants, not that of the turns that they took.
  const order = [...references, ...scenario.variants.map((variant) => variant.name)];
  names.sort((a, b) => order.indexOf(a) - order.indexOf(b));
  return {
    name,
    unit,
    references: [...references],
    settings: Object.fromEntries(described.map(({ name, settings }) => [name, settings])),
    versions: Object.fromEntries(described.map(({ name, versions }) => [name, versions])),
    variants: names.map((variant) => summariseVariant(variant, unit, references, rounds)),
  };
}

function summariseVariant(
  name: string,
  unit: ScenarioReport['unit'],
  references: readonly string[],
  rounds: readonly Round[],
): VariantReport {
  const samples = rounds.map((round) => round.get(name) as Sample);
  const rateOf = (sample: Sample) => (unit === 'jobs/s' ? (sample.jobs ?? 0) : sample.rows) / sample.seconds;
  const ratios = references
    .filter((reference) => reference !== name)
    .map((reference): [string, Spread] => {
      const ratio = (round: Round) =>
        rateOf(round.get(name) as Sample) / rateOf(round.get(reference) as Sample);
      return [reference, spreadOf(rounds.map(ratio))];
    });
  return {
    name,
    rate: spreadOf(samples.map(rateOf)),
    ratios: Object.fromEntries(ratios),
    ...spreads('latency_ms', samples, ({ latency_ms: latency }) => ({ ...latency })),
    ...spreads('phases_seconds', samples, ({ phases_seconds: phases }) => phases),
    ...spreads('step_seconds_per_million_rows', samples, ({ step_seconds: steps, rows }) =>
      perMillion(steps, rows),
    ),
    ...spreads('cpu_seconds_per_million_rows', samples, ({ cpu_seconds: cpu, rows }) =>
      perMillion(cpu, rows),
    ),
    ...spreads('peak_bytes', samples, ({ memory }) => mapValues(memory, ({ peak_bytes }) => peak_bytes)),
    ...redisSpreads(samples),
    samples,
  };
}

/** A spread of each member that all samples have; nothing where they have none. */
function spreads<K extends string>(
  key: K,
  samples: readonly Sample[],
  of: (sample: Sample) => Record<string, number> | undefined,
) {
  const found = samples.map((sample) => of(sample) ?? {});
  const members = Object.keys(found[0] ?? {}).filter((member) => found.every((each) => member in each));
  if (members.length === 0) return {};
  const entries = members.map((member) => [member, spreadOf(found.map((each) => each[member] as number))]);
  return { [key]: Object.fromEntries(entries) };
}

function redisSpreads(samples: readonly Sample[]) {
  const perRow = (of: 'stored_bytes' | 'peak_bytes') => {
    const values = samples.flatMap(({ redis, rows }) => (redis === undefined ? [] : [redis[of] / rows]));
    return values.length === 0 ? undefined : spreadOf(values);
  };
  const stored = perRow('stored_bytes');
  const peak = perRow('peak_bytes');
  if (stored === undefined || peak === undefined) return {};
  return { redis_stored_bytes_per_row: stored, redis_peak_bytes_per_row: peak };
}

function perMillion(
  seconds: Record<string, number> | undefined,
  rows: number,
): Record<string, number> | undefined {
  return mapValues(seconds, (each) => (each / rows) * MILLION);
}

function mapValues<T>(
  values: Record<string, T> | undefined,
  of: (value: T) => number,
): Record<string, number> | undefined {
  return values && Object.fromEntries(Object.entries(values).map(([key, value]) => [key, of(value)]));
}
