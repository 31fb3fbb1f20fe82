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
/** Of a model that no row has been found for. */
const SECONDS_PER_ROW_UNKNOWN = 0.001;

/** @throws Error that says why the version must not be served */
export async function prove({ path, file, samples }: Candidate): Promise<Proof> {
  const session = await OnnxSession.open(path);
  try {
    const declared = completeManifest(file, withOpenOutputs(session.graph));
    const example = await findExample(session, declared, samples);
    const manifest = completeManifest(file, withShapes(session.graph, example.outputs));
    if (samples !== undefined) await proveSamples(session, manifest, samples);
    if (example.error !== undefined) {
      const doubt = `no example row was found that the graph takes: ${example.error.message}`;
      return { manifest, example: example.row, secondsPerRow: SECONDS_PER_ROW_UNKNOWN, doubt };
    }
    const rows = samples === undefined ? [example.row] : samples.samples.map(({ row }) => row);
    const secondsPerRow = await timeInference(session, manifest, rows);
    return { manifest, example: example.row, secondsPerRow };
  } finally {
    await session.release();
  }
}

/** An output of unknown rank is taken for one value per row until it has been seen. */
function withOpenOutputs(graph: Graph): Graph {
  const outputs = graph.outputs.map((value) =>
    isTensor(value) && value.shape.length === 0 ? { ...value, shape: [null] } : value,
  );
  return { ...graph, outputs };
}

/**
 * The graph with the shapes that its outputs really have. What a graph declares is a promise that ONNX Runtime does not
 * hold it to, and exporters leave it out or get it wrong.
 */
function withShapes(graph: Graph, found: readonly RunOutput[]): Graph {
  const outputs = graph.outputs.map((value) => {
    const rowShape = found.find(({ name }) => name === value.name)?.rowShape;
    if (!isTensor(value) || rowShape === undefined) return value;
    const [batch = null, ...inner] = value.shape;
    const isAsDeclared =
      value.shape.length > 0 &&
      inner.length === rowShape.length &&
      inner.every((size, at) => size === null || size === rowShape[at]);
    return isAsDeclared ? value : { ...value, shape: [batch, ...rowShape] };
  });
  return { ...graph, outputs };
}

interface Example {
  row: unknown;
  outputs: readonly RunOutput[];
  /** Why the graph did not take the row; no other was better. */
  error?: Error;
}

/**
 * Finds a row that the graph takes, and takes twice in one micro-batch.
 * @throws NotPerRowError
 */
async function findExample(
  session: OnnxSession,
  manifest: Manifest,
  samples: Samples | undefined,
): Promise<Example> {
  const rows =
    samples === undefined ? exampleRows(manifest) : samples.samples.slice(0, 1).map(({ row }) => row);
  const reader = new RowReader(manifest);
  const taken = Uint32Array.from({ length: Math.min(2, manifest.limits.fixed_batch ?? 2) }, (_, at) => at);
  let failed: Example | undefined;
  for (const row of rows) {
    const { inputs } = decodeRows([row, row], reader);
    try {
      return { row, outputs: await session.run(manifest, inputs, taken) };
    } catch (error) {
      if (error instanceof NotPerRowError) throw error;
      failed ??= { row, outputs: [], error: error as Error };
    }
  }
  return failed ?? { row: undefined, outputs: [], error: new Error('there is none') };
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

/** Seconds of inference per row at the manifest's micro-batch, over at least 50 ms of these rows again and again. */
async function timeInference(
  session: OnnxSession,
  manifest: Manifest,
  rows: readonly unknown[],
): Promise<number> {
  const size = manifest.limits.micro_batch;
  const repeated = Array.from({ length: size }, (_, at) => rows[at % rows.length]);
  const batch = decodeRows(repeated, new RowReader(manifest));
  await session.predict(manifest, batch);
  const startedAt = performance.now();
  let runs = 0;
  while (runs === 0 || performance.now() - startedAt < TIMED_MS) {
    await session.predict(manifest, batch);
    runs++;
  }
  return (performance.now() - startedAt) / 1000 / (runs * size);
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
    isFloat
      ? Math.abs(Number(value) - Number(answer[at])) <= tolerance
      : String(value) === String(answer[at]),
  );
}

function shortened(values: unknown): string {
  const text = JSON.stringify(values, (_, value) => (typeof value === 'bigint' ? String(value) : value));
  return text.length <= 200 ? text : `${text.slice(0, 199)}…`;
}
