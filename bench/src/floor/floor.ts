/** The floor is responsible for what the work costs without a platform: the same rows on the same number of threads, step by step. */
import { once } from 'node:events';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { fastestOf } from '../fastest.js';
import { packageVersion } from '../machine.js';
import type { Sample } from '../report.js';
import { countRows, ndjsonPieces, type Rows } from '../workloads/rows.js';
import type { Workload } from '../workloads/workload.js';
import type { FloorReply, FloorRequest, Share, Step } from './messages.js';
import { sharesOf } from './shares.js';

/** The variants that it makes in every round. */
export const BARE = 'bare ORT';
export const SERIAL = 'serial floor';
const PARSE = 'parse only';
const FORMAT = 'format only';

/** Fewer rows are gone through several times: a step of a millisecond cannot be timed. */
const ROWS_MIN = 20_000;

/** Rows of a run of the session that are tried, each so often. */
const MICRO_BATCHES = [64, 256, 1_024, 4_096];
const TURNS = 5;

const THREAD = new URL('./floor-thread.js', import.meta.url);

export interface FloorSize {
  threads: number;
  /** For rates in jobs; each is a run of the session. Otherwise the fastest micro-batch is found out. */
  rowsPerJob?: number;
}

export class Floor {
  readonly name = 'floor';
  readonly versions = { onnxruntime: packageVersion('onnxruntime-node') };
  private readonly times: number;

  private constructor(
    private readonly workload: Workload,
    private readonly threads: readonly Worker[],
    private readonly rowsPerJob: number | undefined,
    private microBatch: number,
  ) {
    this.times = Math.ceil(ROWS_MIN / countRows(workload.rows));
  }

  /** @throws Error when the lines do not parse to what the tensors hold, or ONNX Runtime refuses the model */
  static async open(workload: Workload, { threads, rowsPerJob }: FloorSize): Promise<Floor> {
    // ONNX Runtime reads it when it is loaded, which the threads do.
    process.env.ORT_DISABLE_TELEMETRY ??= '1';
    const floor = new Floor(
      workload,
      Array.from({ length: threads }, () => new Worker(THREAD)),
      rowsPerJob,
      rowsPerJob ?? 0,
    );
    try {
      const shares = sharesOf(countRows(workload.rows), threads);
      await floor.ask((at) => ({
        kind: 'open',
        share: shareOf(workload, ...(shares[at] as [number, number])),
      }));
      if (rowsPerJob === undefined) floor.microBatch = await floor.fastestMicroBatch();
    } catch (error) {
      await floor.close();
      throw error;
    }
    return floor;
  }

  get settings(): Record<string, string> {
    return { threads: String(this.threads.length), micro_batch: String(this.microBatch) };
  }

  /** The label of every row, as bare ONNX Runtime predicts it. */
  async labels(): Promise<Int32Array> {
    await this.time('infer');
    const replies = await this.ask(() => ({ kind: 'labels' }));
    const labels = new Int32Array(countRows(this.workload.rows));
    let at = 0;
    for (const reply of replies) {
      const own = reply.labels as Int32Array;
      labels.set(own, at);
      at += own.length;
    }
    return labels;
  }

  /** One sample of each variant. */
  async run(): Promise<Record<string, Sample>> {
    const infer = await this.infer();
    const parse = await this.time('parse');
    const format = await this.time('format');
    return { [BARE]: infer, [PARSE]: parse, [FORMAT]: format, [SERIAL]: this.sum([parse, infer, format]) };
  }

  /** A sample of the model alone. */
  infer(): Promise<Sample> {
    return this.time('infer');
  }

  /** Threads are idle here: one that ONNX Runtime still works in must not be ended. */
  async close(): Promise<void> {
    await Promise.all(this.threads.map((thread) => thread.terminate()));
  }

  private fastestMicroBatch(): Promise<number> {
    return fastestOf(MICRO_BATCHES, TURNS, async (microBatch) => {
      const startedAt = performance.now();
      await this.ask(() => ({ kind: 'try', microBatch }));
      return performance.now() - startedAt;
    });
  }

  private async time(step: Step): Promise<Sample> {
    const { times, microBatch } = this;
    const cpu = process.cpuUsage();
    const startedAt = performance.now();
    await this.ask(() => ({ kind: 'run', step, times, microBatch }));
    const seconds = (performance.now() - startedAt) / 1000;
    const { user, system } = process.cpuUsage(cpu);
    return this.sample(seconds, (user + system) / 1e6);
  }

  private sum(parts: readonly Sample[]): Sample {
    const total = (of: (part: Sample) => number) => parts.reduce((sum, part) => sum + of(part), 0);
    return this.sample(
      total((part) => part.seconds),
      total((part) => part.cpu_seconds?.floor ?? 0),
    );
  }

  private sample(seconds: number, cpuSeconds: number): Sample {
    const rows = countRows(this.workload.rows) * this.times;
    const jobs = this.rowsPerJob === undefined ? {} : { jobs: rows / this.rowsPerJob };
    return { rows, ...jobs, seconds, cpu_seconds: { floor: cpuSeconds } };
  }

  /** Asks all threads at once and waits for all of them, whatever they answer. */
  private async ask(request: (at: number) => FloorRequest): Promise<(FloorReply & { ok: true })[]> {
    const answers = await Promise.all(
      this.threads.map(async (thread, at) => {
        thread.postMessage(request(at));
        const [reply] = (await once(thread, 'message')) as [FloorReply];
        return reply;
      }),
    );
    return answers.map((reply) => {
      if (!reply.ok) throw new Error(`the floor: ${reply.message}`);
      return reply;
    });
  }
}

/** The rows that fall to one of the threads. */
function shareOf({ folder, features, classes, rows }: Workload, from: number, to: number): Share {
  return {
    model: join(folder, 'model.onnx'),
    features,
    classes,
    firstRow: from,
    lines: ndjsonPieces(rows, from, to),
    values: tensorValues(rows, from * features.length, to * features.length),
  };
}

function tensorValues(rows: Rows, from: number, to: number): Float32Array | string[] {
  return rows.kind === 'numbers'
    ? Float32Array.from(rows.values.subarray(from, to))
    : rows.values.slice(from, to);
}
