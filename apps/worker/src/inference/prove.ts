/**
 * Proves a version before it is served: the graph opens, goes with its model.json, answers an example row, and gives the
 * samples the answers they are known to have. What is found out on the way completes the version's descriptor.
 */

import { completeManifest } from '@millrace/batch/manifest/complete';
import { ELEMENT_TYPES } from '@millrace/batch/manifest/element-types';
import { exampleRows } from '@millrace/batch/manifest/example';
import { float16Value } from '@millrace/batch/manifest/float16';
import { type Graph, isTensor } from '@millrace/batch/manifest/graph';
import type { Manifest, ManifestFile } from '@millrace/batch/manifest/manifest';
import type { Answer, Samples } from '@millrace/batch/manifest/samples';
import type { Column } from '@millrace/batch/results/column';
import type { DecodedChunk } from '@millrace/batch/rows/decode-chunk';
import { RowReader } from '@millrace/batch/rows/row-reader';
import { microBatches } from './micro-batch.js';
import { NotPerRowError, OnnxSession, type RunOutput } from './onnx-session.js';

/** What a version is before it is proved. */
export interface Candidate {
  /** The path of the ONNX file. */
  path: string;
  file: ManifestFile;
  samples?: Samples | undefined;
}

/** What the proof has found out. */
export interface Proof {
  manifest: Manifest;
  /** A row that was predicted; of a model that takes none of those tried, one that it should take. */
  example: unknown;
  /** Seconds of inference of one thread per row, at the manifest's micro-batch. */
  secondsPerRow: number;
  /** What is doubtful about a version that is served all the same. */
  doubt?: string;
}

const TIMED_MS = 50;
/** Larger micro-batches are not tried once a run takes longer. */
const RUN_MS_ENOUGH = 100;
/** Of a model that no row has been found for. */
const SECONDS_PER_ROW_UNKNOWN = 0.001;

/** @throws Error that says why the version must not be served */
export async function prove({ path, file, samples }: Candidate): Promise<Proof> {
  const session = await OnnxSession.open(path);
  try {
    const tried = await tryRows(session, completeManifest(file, withOpenOutputs(session.graph)), samples);
    const [example, ...others] = tried.answered;
    if (example === undefined) {
      const manifest = completeManifest(file, withOpenOutputs(session.graph));
      if (samples !== undefined) await proveSamples(session, manifest, samples);
      const doubt = `no example row was found that the graph takes: ${tried.error?.message}`;
      return { manifest, example: tried.first, secondsPerRow: SECONDS_PER_ROW_UNKNOWN, doubt };
    }
    const manifest = completeManifest(file, withShapes(session.graph, tried.answered));
    const doubts: string[] = [];
    const influenced = others[0] && (await influencedOutput(session, manifest, example, others[0]));
    if (influenced !== undefined) doubts.push(settleInfluence(manifest, file, influenced));
    if (!hasFiniteAnswers(example, manifest))
      doubts.push('its answers to the rows tried are not finite numbers');
    if (samples !== undefined) await proveSamples(session, manifest, samples);
    const rows = samples === undefined ? [example.row] : samples.samples.map(({ row }) => row);
    const isOpen = file.limits?.micro_batch === undefined && influenced === undefined;
    const secondsPerRow = await chooseMicroBatch(session, manifest, rows, isOpen);
    const doubt = doubts.length === 0 ? {} : { doubt: doubts.join('; ') };
    return { manifest, example: example.row, secondsPerRow, ...doubt };
  } finally {
    await session.release();
  }
}

/** Outputs are taken for one answer per row until they have been seen: what a graph declares of them may be wrong. */
function withOpenOutputs(graph: Graph): Graph {
  const outputs = graph.outputs.map((value) =>
    isTensor(value) ? { ...value, shape: [null, ...value.shape.slice(1)] } : value,
  );
  return { ...graph, outputs };
}

/**
 * The graph with the shapes that its outputs really have. What a graph declares is a promise that ONNX Runtime does not
 * hold it to, and exporters leave it out or get it wrong. A size that differs from row to row, or is none, is open.
 */
function withShapes(graph: Graph, answered: readonly Answered[]): Graph {
  const outputs = graph.outputs.map((value) => {
    const found = answered
      .map(({ outputs: each }) => each.find(({ name }) => name === value.name)?.rowShape)
      .filter((shape) => shape !== undefined);
    const [rowShape] = found;
    if (!isTensor(value) || rowShape === undefined) return value;
    const declared = value.shape.slice(1);
    const inner = rowShape.map((size, at) => {
      if (declared.length === rowShape.length && declared[at] === null) return null;
      return size > 0 && found.every((shape) => shape[at] === size) ? size : null;
    });
    return { ...value, shape: [null, ...inner] };
  });
  return { ...graph, outputs };
}

/** A row, and what the graph gave for two of it in one micro-batch. */
interface Answered {
  row: unknown;
  outputs: readonly RunOutput[];
}

interface Tried {
  /** Rows that differ from one another, the best example first. */
  answered: Answered[];
  /** The first row tried, and why the graph did not take it. */
  first: unknown;
  error?: Error;
}

/** Samples that are looked at for two that differ. */
const SAMPLES_TRIED = 5;
/** Rows that differ, of which one is the example and two are run side by side. */
const ANSWERED_ENOUGH = 3;

/** @throws NotPerRowError */
async function tryRows(
  session: OnnxSession,
  manifest: Manifest,
  samples: Samples | undefined,
): Promise<Tried> {
  const known = samples?.samples.slice(0, SAMPLES_TRIED).map(({ row }) => row);
  const rows = known ?? exampleRows(manifest);
  const reader = new RowReader(manifest);
  const taken = Uint32Array.from({ length: Math.min(2, manifest.limits.fixed_batch ?? 2) }, (_, at) => at);
  const tried: Tried = { answered: [], first: rows[0] };
  const seen = new Set<string>();
  for (const row of rows) {
    const text = JSON.stringify(row);
    if (seen.has(text) || tried.answered.length === ANSWERED_ENOUGH) continue;
    seen.add(text);
    const { inputs } = decodeRows([row, row], reader);
    try {
      tried.answered.push({ row, outputs: await session.run(manifest, inputs, taken) });
    } catch (error) {
      if (error instanceof NotPerRowError) throw error;
      tried.error ??= error as Error;
    }
  }
  // A sample is an example by intent; of the rows that were made up, one with finite answers is a better one.
  if (known === undefined) {
    const better = tried.answered.findIndex((answered) => hasFiniteAnswers(answered, manifest));
    if (better > 0) tried.answered.unshift(...tried.answered.splice(better, 1));
  }
  return tried;
}

function hasFiniteAnswers({ outputs }: Answered, manifest: Manifest): boolean {
  return manifest.outputs.every(({ name, type, non_finite: nonFinite }) => {
    if (ELEMENT_TYPES[type].kind !== 'float' || nonFinite === 'string') return true;
    const data = outputs.find((each) => each.name === name)?.data ?? [];
    const isNumber =
      type === 'float16' ? (bits: number) => Number.isFinite(float16Value(bits)) : Number.isFinite;
    return Array.from(data as Iterable<number>).every(isNumber);
  });
}

/** How far the same answer may differ with other rows beside it: sums are added up in another order. */
const INFLUENCE_TOLERANCE = 1e-4;

/** The output in which two rows in one micro-batch influence each other, if there is one. */
async function influencedOutput(
  session: OnnxSession,
  manifest: Manifest,
  one: Answered,
  other: Answered,
): Promise<string | undefined> {
  const { micro_batch: microBatch, fixed_batch: fixed } = manifest.limits;
  const { inputs } = decodeRows([one.row, other.row], new RowReader(manifest));
  const [group = new Uint32Array()] = microBatches(inputs, 2, 2);
  if ((fixed ?? microBatch) === 1 || group.length < 2) return undefined;
  const together = await session.run(manifest, inputs, group);
  const differing = together.find((found, at) =>
    [one, other].some((alone, place) => {
      const expected = alone.outputs[at];
      return (
        expected !== undefined &&
        !isSameRow(found, place, expected, 0, manifest.outputs[at]?.type === 'float16')
      );
    }),
  );
  return differing?.name;
}

function isSameRow(
  found: RunOutput,
  row: number,
  expected: RunOutput,
  other: number,
  isFloat16: boolean,
): boolean {
  const valuesAt = ({ data, rowShape }: RunOutput, place: number) => {
    const size = rowShape.reduce((product, each) => product * each, 1);
    return Array.from(data.slice(place * size, (place + 1) * size) as Iterable<unknown>);
  };
  const wanted = valuesAt(expected, other);
  const values = valuesAt(found, row);
  if (values.length !== wanted.length) return false;
  return values.every((value, at) => {
    const want = wanted[at];
    if (typeof value !== 'number' || typeof want !== 'number') return value === want;
    const [a, b] = isFloat16 ? [float16Value(value), float16Value(want)] : [value, want];
    return Object.is(a, b) || Math.abs(a - b) <= INFLUENCE_TOLERANCE * Math.max(1, Math.abs(a), Math.abs(b));
  });
}

/** Has rows that influence each other run one by one where that is for us to decide; says what is to be known of it. */
function settleInfluence({ limits }: Manifest, file: ManifestFile, output: string): string {
  const what = `the rows of a micro-batch influence each other (output "${output}")`;
  if (limits.fixed_batch !== undefined) {
    return `${what}, and the graph takes just ${limits.fixed_batch} at once: is its first dimension the batch?`;
  }
  if (file.limits?.micro_batch !== undefined)
    return `${what}; "limits": {"micro_batch": 1} in model.json keeps them apart`;
  limits.micro_batch = 1;
  return `${what}, as they do in a graph that is quantised dynamically; they are run one by one`;
}

/** @throws Error that names the first sample that does not come out */
async function proveSamples(session: OnnxSession, manifest: Manifest, known: Samples): Promise<void> {
  const rows = known.samples.map(({ row }) => row);
  const columns = await session.predict(manifest, decodeRows(rows, new RowReader(manifest)));
  known.samples.forEach(({ outputs }, index) => {
    for (const [name, answer] of Object.entries(outputs)) {
      const column = columns.find(({ head }) => head.name === name);
      if (column === undefined) {
        throw new Error(`sample ${index} names an output "${name}" that the manifest does not`);
      }
      const found = valuesOf(column, index);
      if (!agrees(found, [answer].flat(8) as Answer[], column, known.tolerance)) {
        throw new Error(`sample ${index}: ${name} is ${shortened(found)}, known to be ${shortened(answer)}`);
      }
    }
  });
}

/**
 * Measures larger and larger micro-batches, up to the manifest's or to where a run takes long enough.
 * @param isOpen the manifest's is only a limit: it gets the largest that was measured
 * @returns seconds of inference per row at the largest
 */
async function chooseMicroBatch(
  session: OnnxSession,
  { limits, ...manifest }: Manifest,
  rows: readonly unknown[],
  isOpen: boolean,
): Promise<number> {
  const reader = new RowReader({ ...manifest, limits });
  const largest = limits.micro_batch;
  let secondsPerRow = SECONDS_PER_ROW_UNKNOWN;
  for (let size = limits.fixed_batch ?? 1; ; size = Math.min(size * 4, largest)) {
    const batch = decodeRows(
      Array.from({ length: size }, (_, at) => rows[at % rows.length]),
      reader,
    );
    const run = () => session.predict({ ...manifest, limits: { ...limits, micro_batch: size } }, batch);
    const firstAt = performance.now();
    await run();
    const isEnough = size >= largest || performance.now() - firstAt > RUN_MS_ENOUGH;
    const startedAt = performance.now();
    let runs = 0;
    while (runs === 0 || (isEnough && performance.now() - startedAt < TIMED_MS)) {
      await run();
      runs++;
    }
    secondsPerRow = (performance.now() - startedAt) / 1000 / (runs * size);
    if (!isEnough) continue;
    if (isOpen && limits.fixed_batch === undefined) limits.micro_batch = size;
    return secondsPerRow;
  }
}

/** @throws Error that names the first row that is not one of the model */
export function decodeRows(rows: readonly unknown[], reader: RowReader): DecodedChunk {
  const inputs = reader.allocate(rows.length);
  rows.forEach((row, index) => {
    const problem = reader.read(row, inputs, index);
    if (problem !== undefined) throw new Error(`sample ${index} is no valid row: ${problem.message}`);
  });
  return { rows: rows.length, inputs, valid: Uint32Array.from(rows.keys()), errors: [] };
}

function valuesOf({ head, data, place }: Column, row: number): (string | number | bigint | boolean)[] {
  const { start, shape } = place(row);
  const values = data.slice(start, start + shape.reduce((size, each) => size * each, 1));
  return Array.from(values as Iterable<string | number | bigint>, (value) => {
    if (head.type === 'bool') return value === 1;
    return head.type === 'float16' ? float16Value(value as number) : value;
  });
}

/** Floats agree within the tolerance, everything else exactly. */
function agrees(
  found: readonly (string | number | bigint | boolean)[],
  answer: readonly Answer[],
  { head }: Column,
  tolerance: number,
): boolean {
  if (found.length !== answer.length) return false;
  const isFloat = ELEMENT_TYPES[head.type].kind === 'float';
  return found.every((value, at) =>
    isFloat ? isNear(Number(value), Number(answer[at]), tolerance) : String(value) === String(answer[at]),
  );
}

/** Also for what is no number, or infinite. */
function isNear(value: number, answer: number, tolerance: number): boolean {
  return Object.is(value, answer) || Math.abs(value - answer) <= tolerance;
}

function shortened(values: unknown): string {
  const text = JSON.stringify(values, (_, value) => (typeof value === 'bigint' ? String(value) : value));
  return text.length <= 200 ? text : `${text.slice(0, 199)}…`;
}
