/** What the documents say of the reference run: every figure of it comes from the report. */
import type { BenchReport } from '../report.js';
import { aimTable } from './aims.js';
import { Figures, markdownTable, medianText, megabytes, rateText, spreadText } from './figures.js';

/** By their paths in the repository. */
export const REFERENCE = 'bench/reference/two-cores.json';
export const DOCUMENTS = ['README.md', 'bench/README.md'] as const;

const MANY = 'in requests of 10,000 rows';
const ONE = 'in one request';

/** Of bulk: how a document calls it, its name there, and which requests of the peers are of the same kind. */
const VARIANTS: readonly [shown: string, name: string, kind: string][] = [
  [`Millrace, CSV ${ONE}`, 'millrace, CSV', 'one request'],
  [`Millrace, Arrow ${ONE}`, 'millrace, Arrow', 'one request'],
  [`Millrace, NDJSON ${ONE}`, 'millrace, NDJSON', 'one request'],
  [`tuned Python, JSON ${ONE}`, 'tuned, one request', 'one request'],
  [`recipe, JSON ${ONE}`, 'recipe, one request', 'one request'],
  [`Millrace, JSON ${MANY}`, 'millrace, JSON, 10,000-row requests', '10,000-row requests'],
  [`tuned Python, JSON ${MANY}`, 'tuned, 10,000-row requests', '10,000-row requests'],
  [`recipe, JSON ${MANY}`, 'recipe, 10,000-row requests', '10,000-row requests'],
];

/** Blocks by name, in Markdown. */
export function documentBlocks(report: BenchReport): Record<string, string> {
  const figures = new Figures(report);
  return {
    speed: speed(figures),
    run: run(report),
    aims: aimTable(figures),
    origins: origins(figures),
    cpu: cpu(figures),
  };
}

function speed(figures: Figures): string {
  const { machine, runs } = figures.report;
  const ofPeer = (name: string, peer: string, kind: string) =>
    name === `${peer}, ${kind}` ? '1' : spreadText(figures.ratio('bulk', name, `${peer}, ${kind}`));
  const rows = VARIANTS.map(([shown, name, kind]) => [
    shown,
    rateText(figures.rate('bulk', name)),
    spreadText(figures.ratio('bulk', name, 'bare ORT')),
    ofPeer(name, 'recipe', kind),
    ofPeer(name, 'tuned', kind),
    medianText(figures.cpu('bulk', name)),
  ]);
  const head = [
    '',
    'rows/s',
    'of bare ONNX Runtime',
    'of the recipe',
    'of the tuned Python',
    'CPU s per million rows',
  ];
  const csv = (reference: string) => spreadText(figures.ratio('bulk', 'millrace, CSV', reference));
  const huge = figures.variant('huge', 'millrace, NDJSON')?.samples[0]?.memory?.api;
  return `A million rows for a forest of 100 trees on ${machine.cores} cores of an ${machine.cpu}, medians of ${runs} rounds with the lowest and the highest (every sample is in [bench/reference](${REFERENCE})). Each is compared with a peer's requests of the same kind:

${markdownTable([head, ...rows])}

Against the peers' best, ${MANY}, CSV in one request is ${csv('recipe, 10,000-row requests')} times the recipe and ${csv('tuned, 10,000-row requests')} times the tuned Python. What of it is the library's: bare ONNX Runtime is ${spreadText(figures.ratio('bulk', 'bare ORT', 'scikit-learn, model only'))} times as fast as scikit-learn alone on this forest.

A perceptron of 2.6 million multiplications per row runs at ${spreadText(figures.ratio('heavy', 'millrace, NDJSON', 'bare ORT'))} of bare ONNX Runtime, the sentiment model at ${spreadText(figures.ratio('text', 'millrace, NDJSON', 'bare ORT'))}. Jobs of ten rows, 32 clients: ${rateText(figures.rate('small', 'millrace'))} a second, ${spreadText(figures.ratio('small', 'millrace', 'recipe'))} times the recipe and ${spreadText(figures.ratio('small', 'millrace', 'tuned'))} times the tuned service, which keeps nothing on disk. A gigabyte in one request takes the API from ${megabytes(huge?.before_bytes)} to ${megabytes(huge?.peak_bytes)} MB at its peak.`;
}

function run({ machine, runs, seconds, scenarios }: BenchReport): string {
  const redis = scenarios.find(({ name }) => name === 'bulk')?.versions.millrace?.redis ?? 'unknown';
  const quiet = machine.quiet ? '' : ', which is **not a quiet machine**';
  return `[reference/two-cores.json](reference/two-cores.json): everything, ${runs} rounds, on ${machine.cores} cores of an ${machine.cpu}, Node ${machine.node}, ONNX Runtime ${machine.onnxruntime}, Redis ${redis}; ${Math.round(seconds / 60)} minutes, at commit ${machine.commit?.slice(0, 7) ?? 'unknown'}. The load before it was ${machine.load_before.toFixed(2)}${quiet}.`;
}

/** What the aims were made of, beside what it is here. */
function origins(figures: Figures): string {
  const bulk = (name: string) => rateText(figures.rate('bulk', name));
  return markdownTable([
    ['', 'where the aims were set', 'here'],
    ['bare ONNX Runtime, rows/s', '680,000', bulk('bare ORT')],
    [`recipe, ${MANY}, rows/s`, '60,000', bulk('recipe, 10,000-row requests')],
    [`recipe, ${ONE}, rows/s`, '40,000', bulk('recipe, one request')],
    [`tuned service, ${MANY}, rows/s`, '159,000–214,000', bulk('tuned, 10,000-row requests')],
    [`tuned service, ${ONE}, rows/s`, '101,000', bulk('tuned, one request')],
    ['recipe, CPU s per million rows', '25', medianText(figures.cpu('bulk', 'recipe, 10,000-row requests'))],
    ['recipe, jobs/s of `small`', '110', rateText(figures.rate('small', 'recipe'))],
    ['tuned service, jobs/s of `small`', '365', rateText(figures.rate('small', 'tuned'))],
    ['recipe, p50 of `idle`, ms', '13', medianText(figures.p50('idle', 'recipe'))],
    ['tuned service, p50 of `idle`, ms', '4–5', medianText(figures.p50('idle', 'tuned'))],
  ]);
}

function cpu(figures: Figures): string {
  const steps = ['decode', 'infer', 'encode', 'commit'];
  const ofProcesses = (name: string, processes?: readonly string[]) =>
    medianText(figures.cpu('bulk', name, processes), 2);
  const rows = [...VARIANTS, ['bare ONNX Runtime', 'bare ORT', ''] as const].map(([shown, name]) => {
    const stepSeconds = figures.variant('bulk', name)?.step_seconds_per_million_rows;
    return [
      shown,
      ofProcesses(name),
      ofProcesses(name, ['api']),
      ofProcesses(name, ['worker', 'floor']),
      ofProcesses(name, ['redis', 'broker']),
      ...steps.map((step) => medianText(stepSeconds?.[step], 2)),
    ];
  });
  return markdownTable([['', 'CPU s in all', 'API', 'worker', 'Redis, broker', ...steps], ...rows]);
}
