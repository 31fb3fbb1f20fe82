/** The one door to ONNX Runtime: a session that is checked against its manifest and run in micro-batches. */
import type { Manifest, Output } from '@millrace/batch/manifest';
import { type Column, type ColumnData, emptyColumn } from '@millrace/batch/results/column';
import type { DecodedChunk } from '@millrace/batch/rows/decode-chunk';
import { InferenceSession, Tensor } from 'onnxruntime-node';

/** One thread per session: parallel sessions outrun a parallel session. */
const SESSION_OPTIONS: InferenceSession.SessionOptions = {
  intraOpNumThreads: 1,
  interOpNumThreads: 1,
  executionMode: 'sequential',
  graphOptimizationLevel: 'all',
  // Its messages may quote values of rows. An error is thrown all the same.
  logSeverityLevel: 4,
};

export class OnnxSession {
  private constructor(
    private readonly session: InferenceSession,
    private readonly manifest: Manifest,
  ) {}

  /** @throws Error when ONNX Runtime refuses the file, or the graph and the manifest disagree */
  static async open(path: string, manifest: Manifest): Promise<OnnxSession> {
    const session = await InferenceSession.create(path, SESSION_OPTIONS);
    const problems = graphProblems(session, manifest);
    if (problems.length > 0) {
      await session.release();
      throw new Error(`model.json and model.onnx disagree: ${problems.join('; ')}`);
    }
    return new OnnxSession(session, manifest);
  }

  /**
   * Predicts the rows that were decoded. Blocks the thread.
   * @returns one column per output of the manifest, each over all rows of the chunk, zero where a row was not decoded
   */
  async predict({ tensor, valid, rows }: DecodedChunk): Promise<Column[]> {
    const { input, outputs, features, micro_batch: microBatch } = this.manifest;
    const columns = outputs.map((output) => emptyColumn(output, rows));
    const names = outputs.map((output) => output.name);
    for (let start = 0; start < valid.length; start += microBatch) {
      const batch = Math.min(microBatch, valid.length - start);
      const values = tensor.subarray(start * features.length, (start + batch) * features.length);
      const feeds = { [input.name]: new Tensor('float32', values, [batch, features.length]) };
      const results = await this.session.run(feeds, names);
      for (const column of columns) {
        const result = results[column.name] as Tensor;
        scatter(result.data as ColumnData, column, valid.subarray(start, start + batch));
        result.dispose();
      }
    }
    return columns;
  }
}

/** Copies the values of a micro-batch to the places of its rows. */
function scatter(values: ColumnData, { name, data, width = 1 }: Column, places: Uint32Array): void {
  if (values.length !== places.length * width) {
    throw new Error(`output "${name}" has ${values.length} values for ${places.length} rows of ${width}`);
  }
  const first = places[0] as number;
  const isContiguous = (places.at(-1) as number) - first === places.length - 1;
  // The kinds of both arrays agree: graphProblems has compared their types.
  const target = data as Float32Array;
  const source = values as Float32Array;
  if (isContiguous) {
    target.set(source, first * width);
    return;
  }
  places.forEach((place, at) => {
    target.set(source.subarray(at * width, (at + 1) * width), place * width);
  });
}

function graphProblems(session: InferenceSession, manifest: Manifest): string[] {
  const problems: string[] = [];
  const [input, ...others] = session.inputMetadata;
  if (others.length > 0 || input?.name !== manifest.input.name) {
    const names = session.inputMetadata.map((each) => each.name).join(', ');
    problems.push(`the graph's inputs are ${names}, the manifest's is ${manifest.input.name}`);
  } else {
    problems.push(...tensorProblems(input, 'float32', manifest.features.length));
  }
  for (const output of manifest.outputs) {
    const found = session.outputMetadata.find((each) => each.name === output.name);
    if (found === undefined) problems.push(`the graph has no output ${output.name}`);
    else problems.push(...tensorProblems(found, output.type, output.width));
  }
  return problems;
}

/** Compares with a tensor of shape `[any, width]`, or `[any]` without a width. */
function tensorProblems(
  value: InferenceSession.ValueMetadata,
  type: Output['type'],
  width: number | undefined,
): string[] {
  if (!value.isTensor) return [`${value.name} is no tensor (for scikit-learn, export with zipmap=False)`];
  const problems: string[] = [];
  if (value.type !== type) problems.push(`${value.name} is ${value.type}, not ${type}`);
  const [batch, ...inner] = value.shape;
  if (typeof batch === 'number' && batch !== -1)
    problems.push(`${value.name} has a fixed batch dimension of ${batch}`);
  const expected = width === undefined ? [] : [width];
  const fitsInner =
    inner.length === expected.length &&
    inner.every((size, at) => typeof size === 'string' || size === -1 || size === expected[at]);
  if (!fitsInner)
    problems.push(
      `${value.name} has the shape [${value.shape.join(', ')}], not [rows${expected.map((size) => `, ${size}`)}]`,
    );
  return problems;
}
