/** The one door to ONNX Runtime: opens a graph, says what it takes and gives, and runs rows through it in micro-batches. */
import { ELEMENT_TYPE_NAMES, isElementType, type TensorData } from '@millrace/batch/manifest/element-types';
import type { Graph, GraphValue } from '@millrace/batch/manifest/graph';
import type { Manifest } from '@millrace/batch/manifest/manifest';
import { type Column, ColumnBuilder } from '@millrace/batch/results/column';
import type { DecodedChunk } from '@millrace/batch/rows/chunk-rows';
import type { InputRows } from '@millrace/batch/rows/input-rows';
import { env, InferenceSession, Tensor } from 'onnxruntime-node';
import { firstRows, microBatches, type Take, takeRows } from './micro-batch.js';

/** One thread per session: parallel sessions outrun a parallel session. */
const SESSION_OPTIONS: InferenceSession.SessionOptions = {
  intraOpNumThreads: 1,
  interOpNumThreads: 1,
  executionMode: 'sequential',
  graphOptimizationLevel: 'all',
  // Its messages may quote values of rows. An error is thrown all the same.
  logSeverityLevel: 4,
};

/**
 * Has onnxruntime-common hold half-precision numbers as bits. Where Node has an array of its own for them, from version 24
 * on, it would use that, in which the binding of version 1.30 finds no bytes ("not enough space"). It decides once, with
 * the first tensor.
 */
function holdHalfPrecisionAsBits(): void {
  const own = Object.getOwnPropertyDescriptor(globalThis, 'Float16Array');
  Reflect.deleteProperty(globalThis, 'Float16Array');
  new Tensor('float16', new Uint16Array(0), [0]);
  if (own !== undefined) Object.defineProperty(globalThis, 'Float16Array', own);
}

holdHalfPrecisionAsBits();

/** Of ONNX Runtime: another one may add up floats in another order. */
export const RUNTIME_VERSION = String(env.versions.node);

export interface RunOutput {
  name: string;
  data: TensorData;
  /** Without the batch dimension. */
  rowShape: readonly number[];
}

/** A graph whose output is no answer per row, which makes it unfit for batches whatever the row. */
export class NotPerRowError extends Error {}

export class OnnxSession {
  readonly graph: Graph;

  private constructor(private readonly session: InferenceSession) {
    this.graph = {
      inputs: session.inputMetadata.map(graphValue),
      outputs: session.outputMetadata.map(graphValue),
    };
  }

  /** @throws Error when ONNX Runtime refuses the file */
  static async open(path: string): Promise<OnnxSession> {
    try {
      return new OnnxSession(await InferenceSession.create(path, SESSION_OPTIONS));
    } catch (cause) {
      throw new Error(refusal((cause as Error).message), { cause });
    }
  }

  /**
   * Predicts the rows of a model that is tried out. Blocks the thread.
   * @returns one column per output of the manifest, each over all rows of the chunk
   * @throws Error when the graph fails on a micro-batch, or gives other than one answer per row
   */
  async predict(manifest: Manifest, { inputs, valid, rows }: DecodedChunk): Promise<Column[]> {
    const builders = manifest.outputs.map((output) => new ColumnBuilder(output, rows));
    for (const taken of microBatches(inputs, firstRows(valid.length), manifest.limits.micro_batch)) {
      const results = await this.run(manifest, inputs, taken);
      const places = taken.map((row) => valid[row] as number);
      builders.forEach((builder, at) => {
        const { data, rowShape } = results[at] as RunOutput;
        builder.add(places, data, rowShape);
      });
    }
    return builders.map((builder) => builder.finish());
  }

  /**
   * Runs one micro-batch.
   * @param taken rows of the inputs, of one shape; a graph with a fixed batch gets the last one repeated to fill it
   * @returns the outputs of the manifest, in its order
   */
  async run(manifest: Manifest, inputs: readonly InputRows[], taken: Uint32Array): Promise<RunOutput[]> {
    const size = manifest.limits.fixed_batch ?? taken.length;
    const feeds = manifest.inputs.map(({ name }, at): [string, Tensor] => [
      name,
      tensorOf(takeRows(inputs[at] as InputRows, taken, size)),
    ]);
    const names = manifest.outputs.map((output) => output.name);
    const results = await this.session.run(Object.fromEntries(feeds), names);
    return names.map((name) => {
      const result = results[name] as Tensor;
      const output = { name, data: result.data as TensorData, rowShape: withoutBatch(name, result, size) };
      result.dispose();
      return output;
    });
  }

  async release(): Promise<void> {
    await this.session.release();
  }
}

function graphValue(value: InferenceSession.ValueMetadata): GraphValue {
  if (!value.isTensor)
    return { name: value.name, type: undefined, what: 'a sequence or a map, not a tensor' };
  const { name, type, shape } = value;
  if (!isElementType(type)) {
    const known = ELEMENT_TYPE_NAMES.join(', ');
    return { name, type: undefined, what: `a tensor of ${type}; those served are ${known}` };
  }
  return { name, type, shape: shape.map((size) => (typeof size === 'number' && size >= 0 ? size : null)) };
}

function tensorOf({ type, data, shape }: Take): Tensor {
  return new Tensor(type as 'float32', data as Float32Array, shape);
}

/** The shape of one row of a result. @throws NotPerRowError */
function withoutBatch(name: string, { dims }: Tensor, rows: number): readonly number[] {
  if (dims.length > 0 && dims[0] === rows) return dims.slice(1);
  const shape = dims.length === 0 ? 'a single value' : `[${dims.join(', ')}]`;
  throw new NotPerRowError(
    `output "${name}" is ${shape} for ${rows} rows: it does not hold one answer per row; leave it out of "outputs" in model.json, or export the model with one answer per row`,
  );
}

/** What ONNX Runtime says, without the places in its own code and on our disk. */
function refusal(message: string): string {
  const opset = /Opset (\d+) is under development.*domain (\S+) is till opset (\d+)/s.exec(message);
  if (opset !== null) {
    const [, asked, domain, known] = opset;
    return `the graph asks for opset ${asked} of ${domain}, ONNX Runtime ${env.versions.node} knows them up to ${known}; export it with a lower target_opset`;
  }
  if (/Failed to construct locale/.test(message)) {
    return 'the graph wants a locale that is not installed here; export it with options={TfidfVectorizer: {"locale": "C"}}, or install the locale';
  }
  const tooOld = /Could not find an implementation for (\w+)\((\d+)\)/.exec(message);
  if (tooOld !== null) {
    return `ONNX Runtime ${env.versions.node} has no ${tooOld[1]} of opset ${tooOld[2]}; export the model again with a newer target_opset, or convert it with onnx.version_converter`;
  }
  if (/Unsupported data type/.test(message)) {
    return `the graph takes or gives a type that is not served; those that are: ${ELEMENT_TYPE_NAMES.join(', ')}`;
  }
  const plain = withoutPlaces(message.replace(/^Load model from .*? failed:/s, ''));
  return `ONNX Runtime ${env.versions.node} refuses the graph: ${plain}`;
}

/** What ONNX Runtime says when a run throws: `Gather: indices element out of data bounds, idx=99 must be …`. */
export function runFailure(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  const [, op, name, reason = message] = FAILED_NODE.exec(message) ?? [];
  const node = name === '' ? op : `${op} "${name}"`;
  const plain = withoutPlaces(reason.replace(CODE_PLACE, ''));
  return op === undefined ? plain : `${node}: ${plain}`;
}

const FAILED_NODE =
  /^Non-zero status code returned while running (\S+) node\. Name:'([^']*)' Status Message: (.*)$/s;
/** A file of its source, a line, and a function, by its name or with all its types. */
const CODE_PLACE = /^\S*\.(?:cc|h):\d+ (?:[^()]*\S\([^()]*\)(?: const)? (?=\S)|\S+ )/;

/** Without the places in ONNX Runtime's code and on our disk. */
function withoutPlaces(message: string): string {
  return message
    .replace(/\S*\.(?:cc|h):\d+ (?:.*\) )?/g, '')
    .replace(/"\/[^"]*\/([^"/]+)"/g, '"$1"')
    .trim();
}
