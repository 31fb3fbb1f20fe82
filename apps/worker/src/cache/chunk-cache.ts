/**
 * The chunk cache is responsible for those rows of a chunk that need not be predicted: what the prediction cache holds, and
 * what equals an earlier row. It stands before the sink of the rows, and gives each what it would have got from the model.
 */
import type { MessagePort } from 'node:worker_threads';
import { slice } from '@millrace/batch/manifest/element-types';
import { sizeOf } from '@millrace/batch/manifest/feature';
import type { Manifest, Output } from '@millrace/batch/manifest/manifest';
import { rowShapeOf } from '@millrace/batch/results/column';
import type { DecodedChunk } from '@millrace/batch/rows/chunk-rows';
import { unpackValues } from '@millrace/queue/packed-values';
import type { RunOutput } from '../inference/onnx-session.js';
import type { RowSink } from '../inference/predict-rows.js';
import { type DistinctRows, distinctRows } from './distinct-rows.js';
import { LearnedRows } from './learned-rows.js';
import type { CacheReport, LookReply } from './messages.js';
import { RowWriter, readRow } from './row-bytes.js';
import { keyBytes, rowKeys } from './row-keys.js';

export class ChunkCache implements RowSink {
  /** Rows that are to be predicted, ascending. */
  readonly missing: Uint32Array;
  private readonly learned = new LearnedRows();
  private answered = 0;
  private readonly writer = new RowWriter();

  /**
   * Asks the main thread, and hands the rows that are known on to the sink.
   * @param sink of the rows of the chunk's inputs
   */
  static async ask(
    port: MessagePort,
    manifest: Manifest,
    { inputs, valid }: DecodedChunk,
    sink: RowSink,
  ): Promise<ChunkCache> {
    const keys = rowKeys(manifest, inputs, valid.length);
    const rows = distinctRows(keys);
    const reply = await look(port, keyBytes(Array.from(rows.firsts, (row) => keys[row] as string)));
    return new ChunkCache(manifest, keys, rows, reply, sink);
  }

  private constructor(
    private readonly manifest: Manifest,
    private readonly keys: readonly string[],
    private readonly rows: DistinctRows,
    private readonly reply: LookReply,
    private readonly sink: RowSink,
  ) {
    const values = (reply ?? []).flatMap(unpackValues);
    this.missing = rows.firsts.filter((row, at) => !this.deliver(row, values[at]));
  }

  isGivenUp(): boolean {
    return this.sink.isGivenUp?.() === true;
  }

  predicted(rows: Uint32Array, outputs: readonly RunOutput[]): void {
    this.sink.predicted(rows, outputs);
    this.answered += rows.length;
    rows.forEach((row, at) => {
      const answer = this.manifest.outputs.map((output, index) =>
        rowOf(output, outputs[index] as RunOutput, at),
      );
      this.repeat(row, answer);
      this.learn(row, answer);
    });
  }

  failed(rows: Uint32Array, message: string): void {
    const repeats = Array.from(rows).flatMap((row) => this.rows.repeats.get(row) ?? []);
    this.sink.failed(Uint32Array.of(...rows, ...repeats), message);
  }

  report(): CacheReport {
    const { firsts } = this.rows;
    const counts = {
      hit: firsts.length - this.missing.length,
      miss: this.reply === undefined ? 0 : this.missing.length,
      repeat: this.keys.length - firsts.length,
      error: this.reply === undefined ? this.missing.length : 0,
    };
    return { counts, predicted: this.answered, learned: this.learned.finish() };
  }

  /** False when there is nothing to deliver, or what there is cannot be read. */
  private deliver(row: number, value: Uint8Array | undefined): boolean {
    if (value === undefined) return false;
    try {
      const answer = readRow(this.manifest.outputs, value);
      this.sink.predicted(Uint32Array.of(row), answer);
      this.repeat(row, answer);
      return true;
    } catch (error) {
      if (error instanceof RangeError) return false;
      throw error;
    }
  }

  private repeat(row: number, answer: readonly RunOutput[]): void {
    for (const other of this.rows.repeats.get(row) ?? []) this.sink.predicted(Uint32Array.of(other), answer);
  }

  private learn(row: number, answer: readonly RunOutput[]): void {
    this.writer.restart();
    this.manifest.outputs.forEach((output, at) => {
      this.writer.tensor(output, answer[at] as RunOutput);
    });
    this.learned.add(this.keys[row] as string, this.writer.bytes);
  }
}

/** What a run gave for the row at this place of it. */
function rowOf(output: Output, { name, data, rowShape: found }: RunOutput, at: number): RunOutput {
  const rowShape = rowShapeOf(output, found);
  const size = sizeOf(rowShape) as number;
  return { name, data: slice(data, at * size, (at + 1) * size), rowShape };
}

/** The main thread answers soon, or ends the conversation. */
function look(port: MessagePort, keys: Uint8Array<ArrayBuffer>): Promise<LookReply> {
  return new Promise((resolve) => {
    port.once('message', resolve);
    port.once('close', () => resolve(undefined));
    port.postMessage(keys, [keys.buffer]);
  });
}
