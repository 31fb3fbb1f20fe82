/**
 * Proves a version before it is served: the graph opens, goes with its model.json, answers an example row, and gives the
 * samples the answers they are known to have. What is found out on the way completes the version's descriptor.
 */
import { completeManifest } from '@millrace/batch/manifest/complete';
import { type Graph, isTensor } from '@millrace/batch/manifest/graph';
import type { Manifest, ManifestFile } from '@millrace/batch/manifest/manifest';
import type { Samples } from '@millrace/batch/manifest/samples';
import { influencedOutput, settleInfluence } from './influence.js';
import { type CurvePoint, measureCurve, recommended, sizesUpTo } from './micro-batch-curve.js';
import { OnnxSession } from './onnx-session.js';
import { proveSamples } from './prove-samples.js';
import { type Answered, hasFiniteAnswers, tryRows } from './tried-rows.js';

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
  /** Seconds of inference of one thread per row, at the manifest's micro-batch or at the largest that was tried. */
  secondsPerRow: number;
  /** What is doubtful about a version that is served all the same. */
  doubt?: string;
}

/** Each size is four times the one before, and longer runs than a tenth of a second are not recommended. */
const CURVE_EFFORT = { sizeMs: 10, runMs: 25 };
/** Of a model that no row has been found for. */
const SECONDS_PER_ROW_UNKNOWN = 0.001;

/** @throws Error that says why the version must not be served */
export async function prove({ path, file, samples }: Candidate): Promise<Proof> {
  const session = await OnnxSession.open(path);
  try {
    const open = completeManifest(file, withOpenOutputs(session.graph));
    const tried = await tryRows(session, open, samples);
    const [example, ...others] = tried.answered;
    if (example === undefined) {
      if (samples !== undefined) await proveSamples(session, open, samples);
      const doubt = `no example row was found that the graph takes: ${tried.error?.message}`;
      return { manifest: open, example: tried.first, secondsPerRow: SECONDS_PER_ROW_UNKNOWN, doubt };
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

/**
 * Measures the model by the size of its micro-batches, and gives the manifest the one that does best where that is open:
 * what it says then is only a limit.
 * @returns seconds of inference per row at the manifest's micro-batch, or at the largest that was tried
 */
async function chooseMicroBatch(
  session: OnnxSession,
  manifest: Manifest,
  rows: readonly unknown[],
  isOpen: boolean,
): Promise<number> {
  const { limits } = manifest;
  const isChosen = isOpen && limits.fixed_batch === undefined;
  const sizes = limits.fixed_batch === undefined ? sizesUpTo(limits.micro_batch) : [limits.fixed_batch];
  const curve = await measureCurve(session, manifest, rows, sizes, CURVE_EFFORT);
  const point = isChosen ? recommended(curve) : (curve.at(-1) as CurvePoint);
  if (isChosen) limits.micro_batch = point.microBatch;
  return point.secondsPerRow;
}
