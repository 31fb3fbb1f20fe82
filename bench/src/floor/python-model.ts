/** A Python model is responsible for what a library makes of the rows without a service: one process for each core, each with its share. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PythonProcess } from '../python-process.js';
import { ROOT } from '../root.js';
import type { ProcessIds } from '../usage/usage-meter.js';
import { countRows, type NumberRows } from '../workloads/rows.js';
import { sharesOf } from './shares.js';

const SCRIPT = join(ROOT, 'bench/recipe/model_only.py');
const READY_MS = 120_000;

export interface PythonModelOptions {
  /** What the script predicts with. */
  library: 'scikit-learn' | 'onnxruntime';
  /** Of iris. */
  rows: NumberRows;
  processes: number;
  /** For the rows. */
  directory: string;
  signal: AbortSignal;
}

export class PythonModel {
  private constructor(
    private readonly processes: readonly PythonProcess[],
    private readonly signal: AbortSignal,
  ) {}

  /** Resolves when each process has the model and its rows. @throws Error with the end of what one said that has not */
  static async start({
    library,
    rows,
    processes,
    directory,
    signal,
  }: PythonModelOptions): Promise<PythonModel> {
    const width = rows.names.length;
    const started = sharesOf(countRows(rows), processes).map(([from, to], at) => {
      const file = join(directory, `${library}-${at}.f32`);
      writeFileSync(file, Float32Array.from(rows.values.subarray(from * width, to * width)));
      return PythonProcess.start(SCRIPT, ['--model', library, '--rows', file]);
    });
    const model = new PythonModel(started, signal);
    const soon = AbortSignal.any([signal, AbortSignal.timeout(READY_MS)]);
    try {
      await Promise.all(started.map((process) => process.hear(soon)));
      return model;
    } catch (error) {
      await model.stop();
      throw new Error(`${library} did not start: ${(error as Error).message}`);
    }
  }

  get ids(): ProcessIds {
    return { python: this.processes.map(({ pid }) => pid) };
  }

  /** Predicts all rows. */
  async run(): Promise<void> {
    await this.ask('run');
  }

  /** What came of each row in the last run. */
  async labels(): Promise<number[]> {
    return (await this.ask<number[]>('labels')).flat();
  }

  async stop(): Promise<void> {
    await Promise.all(this.processes.map((process) => process.stop()));
  }

  /** Asks all processes at once. */
  private ask<T>(line: string): Promise<T[]> {
    for (const process of this.processes) process.tell(line);
    return Promise.all(this.processes.map((process) => process.hear<T>(this.signal)));
  }
}
