/** The report for a person: a table for each scenario. */
import type { BenchReport, ScenarioReport, VariantReport } from './report.js';
import type { Spread } from './statistics.js';

const MIB = 1024 * 1024;

/** Everything but the machine and the failures. */
export function scenarioText({ name, unit, references, variants }: ScenarioReport): string {
  const hasLatency = variants.some(({ latency_ms }) => latency_ms !== undefined);
  const hasSteps = variants.some(({ step_seconds_per_million_rows: steps }) => steps !== undefined);
  const head = [
    `${name}, ${unit}`,
    'median',
    'range',
    ...references.map((reference) => `of ${reference}`),
    ...(hasLatency ? ['p50 / p95 / p99 ms'] : []),
    ...(hasSteps ? ['step s per million rows'] : []),
    'CPU s per million rows',
    'peak MB (growth)',
    'Redis B/row stored / peak',
  ];
  const rows = variants.map((variant) => [
    variant.name,
    rate(variant.rate.median),
    `${rate(variant.rate.low)}–${rate(variant.rate.high)}`,
    ...references.map((reference) => ratioText(variant.ratios[reference])),
    ...(hasLatency ? [latencyText(variant)] : []),
    ...(hasSteps ? [medians(variant.step_seconds_per_million_rows)] : []),
    medians(variant.cpu_seconds_per_million_rows),
    memoryText(variant),
    redisText(variant),
  ]);
  return aligned([head, ...rows]);
}

export function machineText({ machine, runs, seconds }: BenchReport): string {
  const { cpu, cores, node, onnxruntime, commit = 'no commit', changed, load_before: load, quiet } = machine;
  return [
    `${cpu}, ${cores} cores; node ${node}, onnxruntime ${onnxruntime}; ${commit}${changed === true ? ' with changes' : ''}`,
    `${runs} rounds, ${Math.round(seconds)} s; load before ${load.toFixed(2)}`,
    ...(quiet
      ? []
      : ['NOT A QUIET MACHINE: somebody else was busy when it began, do not trust these figures']),
  ].join('\n');
}

function rate(value: number): string {
  return value >= 100 ? Math.round(value).toLocaleString('en') : value.toPrecision(3);
}

function ratioText(ratio: Spread | undefined): string {
  if (ratio === undefined) return '1';
  const { median, low, high } = ratio;
  return `${median.toPrecision(3)} (${low.toPrecision(3)}–${high.toPrecision(3)})`;
}

function latencyText({ latency_ms: latency }: VariantReport): string {
  if (latency === undefined) return '';
  return [latency.p50, latency.p95, latency.p99]
    .map(({ median }) => (median as number).toFixed(2))
    .join(' / ');
}

function memoryText({ peak_bytes: peak, samples }: VariantReport): string {
  return byName(peak, ({ high }, process) => {
    const growths = samples.map(({ memory }) => {
      const { before_bytes: before = 0, peak_bytes: most = 0 } = memory?.[process] ?? {};
      return most - before;
    });
    const growth = Math.max(...growths);
    return `${megabytes(high)} (${growth < 0 ? '' : '+'}${megabytes(growth)})`;
  });
}

function redisText({
  redis_stored_bytes_per_row: stored,
  redis_peak_bytes_per_row: peak,
}: VariantReport): string {
  if (stored === undefined || peak === undefined) return '';
  return `${stored.median.toFixed(1)} / ${peak.median.toFixed(1)}`;
}

function medians(values: Record<string, Spread> | undefined): string {
  return byName(values, ({ median }) => median.toFixed(2));
}

function byName(
  values: Record<string, Spread> | undefined,
  text: (value: Spread, name: string) => string,
): string {
  return Object.entries(values ?? {})
    .map(([name, value]) => `${name} ${text(value, name)}`)
    .join(', ');
}

function megabytes(bytes: number): string {
  return (bytes / MIB).toFixed(0);
}

function aligned(rows: readonly string[][]): string {
  const widths = (rows[0] ?? []).map((_, at) => Math.max(...rows.map((row) => (row[at] ?? '').length)));
  return rows
    .map((row) =>
      row
        .map((cell, at) => cell.padEnd(widths[at] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
