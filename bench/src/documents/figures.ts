/** Figures are responsible for reading a report by the names of scenarios and variants, and for how a figure is written. */
import type { BenchReport, Sample, VariantReport } from '../report.js';
import { type Spread, spreadOf } from '../statistics.js';

const MILLION = 1_000_000;

export class Figures {
  constructor(readonly report: BenchReport) {}

  /** Undefined when it was left out of the run. */
  variant(scenario: string, name: string): VariantReport | undefined {
    return this.report.scenarios
      .find((each) => each.name === scenario)
      ?.variants.find((each) => each.name === name);
  }

  rate(scenario: string, name: string): Spread | undefined {
    return this.variant(scenario, name)?.rate;
  }

  ratio(scenario: string, name: string, reference: string): Spread | undefined {
    return this.variant(scenario, name)?.ratios[reference];
  }

  p50(scenario: string, name: string): Spread | undefined {
    return this.variant(scenario, name)?.latency_ms?.p50;
  }

  /** CPU seconds per million rows of all that the driver drives, or of some of its processes. */
  cpu(scenario: string, name: string, processes?: readonly string[]): Spread | undefined {
    return this.ofSamples(scenario, name, ({ cpu_seconds: cpu = {}, rows }) => {
      const counted = Object.keys(cpu).filter((each) => processes?.includes(each) ?? each !== 'driver');
      if (counted.length === 0) return undefined;
      return (counted.reduce((sum, each) => sum + (cpu[each] as number), 0) / rows) * MILLION;
    });
  }

  /** The spread of something over the runs of a variant; undefined where a run does not have it. */
  ofSamples(scenario: string, name: string, of: (sample: Sample) => number | undefined): Spread | undefined {
    const values = this.variant(scenario, name)?.samples.map(of) ?? [];
    const known = values.filter((value) => value !== undefined);
    return known.length === 0 || known.length < values.length ? undefined : spreadOf(known);
  }
}

/** What is not in the run. */
const NOTHING = '–';

export function spreadText(spread: Spread | undefined): string {
  if (spread === undefined) return NOTHING;
  const { median, low, high } = spread;
  return `${median.toFixed(2)} (${low.toFixed(2)}–${high.toFixed(2)})`;
}

export function medianText(spread: Spread | undefined, digits = 1): string {
  return spread === undefined ? NOTHING : spread.median.toFixed(digits);
}

export function rateText(spread: Spread | undefined): string {
  return spread === undefined ? NOTHING : Math.round(spread.median).toLocaleString('en');
}

export function megabytes(bytes: number | undefined): string {
  return bytes === undefined ? NOTHING : (bytes / MILLION).toFixed(0);
}

/** @param rows the head first */
export function markdownTable(rows: readonly (readonly string[])[]): string {
  const [head = [], ...others] = rows.map((cells) => `| ${cells.join(' | ')} |`.replaceAll('|  |', '| |'));
  return [head, `|${'---|'.repeat(rows[0]?.length ?? 0)}`, ...others].join('\n');
}
