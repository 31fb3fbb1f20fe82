/** The benchmark's own door to ONNX Runtime: a session on one thread, fed with tensors that are in memory, and nothing else. */
import { InferenceSession, Tensor } from 'onnxruntime-node';

/** Where the label is among the outputs of every model that is measured. */
const LABEL = 'label';

export class BareSession {
  private constructor(
    private readonly session: InferenceSession,
    private readonly input: string,
    private readonly width: number,
  ) {}

  /** @param path of a model with one input of float32 or string, [rows, width], and a label of int64 */
  static async open(path: string): Promise<BareSession> {
    const session = await InferenceSession.create(path, {
      intraOpNumThreads: 1,
      interOpNumThreads: 1,
      executionMode: 'sequential',
      graphOptimizationLevel: 'all',
      logSeverityLevel: 4,
    });
    const [input] = session.inputMetadata;
    const width = input?.isTensor === true ? input.shape[1] : undefined;
    if (input === undefined || typeof width !== 'number')
      throw new Error(`${path} has no input of [rows, width]`);
    return new BareSession(session, input.name, width);
  }

  /**
   * Runs rows, so many at a time, for all outputs.
   * @param labels gets that of each row @param rows only so many of them, a multiple of the micro-batch (all)
   */
  async run(
    values: Float32Array | string[],
    microBatch: number,
    labels: Int32Array,
    rows = labels.length,
  ): Promise<void> {
    const step = microBatch * this.width;
    const end = Math.min(values.length, rows * this.width);
    for (let at = 0; at < end; at += step) {
      const results = await this.session.run({ [this.input]: this.tensor(values, at, at + step) });
      const found = results[LABEL]?.data as BigInt64Array;
      // The low half of each: a BigInt for every row would cost more than the platform makes of it.
      const halves = new Int32Array(found.buffer, found.byteOffset, 2 * found.length);
      for (let row = 0; row < found.length; row++) labels[at / this.width + row] = halves[2 * row] as number;
      for (const result of Object.values(results)) result.dispose();
    }
  }

  private tensor(values: Float32Array | string[], from: number, to: number): Tensor {
    if (values instanceof Float32Array) {
      const data = values.subarray(from, to);
      return new Tensor('float32', data, [data.length / this.width, this.width]);
    }
    const data = values.slice(from, to);
    return new Tensor('string', data, [data.length / this.width, this.width]);
  }
}
