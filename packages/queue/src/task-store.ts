/** The task store is responsible for everything of a task but its place in the queue: record, ledger, chunks, results. */
import type { RowCode } from '@millrace/batch/errors';
import type { ChunkResult, Segments } from '@millrace/batch/results/encode-chunk';
import type { ErrorExample } from '@millrace/batch/results/error-groups';
import type { CsvColumn } from '@millrace/batch/rows/row-reader';
import type { Chunk } from '@millrace/batch/split/chunk-splitter';
import { isTerminal } from '@millrace/batch/status';
import { COMPUTED_STEPS, type StepSeconds } from '@millrace/batch/step-seconds';
import type { Task } from '@millrace/batch/task';
import { type Begun, parseBegun } from './begun.js';
import { bufferOf } from './buffer-of.js';
import type { RedisConnection } from './connection.js';
import { DEFAULT_LIFETIMES, type Keys, type Lifetimes } from './keys.js';
import { pairs } from './pairs.js';
import { defineScripts, type Script } from './scripts/define-scripts.js';
import { errorArguments, examplesField, parseExamples } from './scripts/error-groups.js';
import { EMPTY_LEDGER } from './scripts/status-moves.js';
import { TASK_SCRIPTS } from './scripts/task-scripts.js';
import { type EndedTask, TaskIndex } from './task-index.js';
import { parseTask } from './task-record.js';

export interface NewTask {
  id: string;
  client: string;
  model: string;
  /** Of the model's files when the task was accepted. */
  fingerprint: string;
  format: Task['format'];
  /** The group of workers that its chunks are queued for. */
  pool: string;
  /** What is not done when this has passed is expired; without it, nothing is. */
  expiresInMs?: number | undefined;
  /** What the columns of the chunks hold; CSV only. */
  columns?: readonly CsvColumn[];
  /** The task whose rows it takes once more. */
  retryOf?: string;
  /** How many retries it makes in a row: 1 for that of a submission. */
  retryDepth?: number;
  requestId: string;
}

/** What a run of a chunk has measured by the time that it commits. */
export interface ChunkTimes {
  seconds: Omit<StepSeconds, 'commit'>;
  /** When its result was encoded, in microseconds by the clock of Redis, as `begin` gave it and the time since. */
  encodedAt: number;
}

const OPEN_CHUNK = /^(pending|running) /;

export interface ChunkSpan {
  state: 'pending' | 'running' | 'done' | 'cancelled' | 'expired';
  firstRow: number;
  rows: number;
}

/** Why an upload was aborted that nobody works on any more. */
export const SILENT_UPLOAD = 'the API process that received it ended or fell silent';

/** How a commit ended; `finished` when it was the last of its task. */
export type Committed = { kind: 'committed' | 'done' | 'gone' } | { kind: 'finished'; ended: EndedTask };

export class TaskStore {
  readonly index: TaskIndex;
  private readonly scripts: Record<keyof typeof TASK_SCRIPTS, Script>;

  /** @param now milliseconds since the epoch */
  constructor(
    private readonly redis: RedisConnection,
    private readonly keys: Keys,
    readonly lifetimes: Lifetimes = DEFAULT_LIFETIMES,
    private readonly now: () => number = Date.now,
  ) {
    this.index = new TaskIndex(redis, keys);
    this.scripts = defineScripts(redis, TASK_SCRIPTS);
  }

  /** Records a task in `receiving`, with an empty ledger. */
  async create(task: NewTask): Promise<void> {
    const { unfinishedMs, leaseMs } = this.lifetimes;
    const createdAt = this.now();
    const fields = fieldsOf(task, createdAt);
    await Promise.all([
      this.index.add(task.id, createdAt),
      this.scripts.create(
        this.keys.task(task.id),
        unfinishedMs,
        leaseMs,
        task.expiresInMs ?? '',
        'status',
        'receiving',
        ...fields,
      ),
    ]);
  }

  /** Records a task that came whole, with its only chunk, in `pending`: as `create`, `append` and `seal` in one step. */
  async createWhole(task: NewTask, chunk: Chunk): Promise<Task> {
    const createdAt = this.now();
    const [, record] = await Promise.all([
      this.index.add(task.id, createdAt),
      this.scripts.createWhole(
        this.keys.task(task.id),
        this.keys.chunks(task.id),
        this.keys.input(task.id, chunk.index),
        this.lifetimes.unfinishedMs,
        task.expiresInMs ?? '',
        chunk.rows,
        bufferOf(chunk.bytes),
        ...fieldsOf(task, createdAt),
      ),
    ]);
    return parseTask(pairs(record as string[]));
  }

  /** Says that the upload goes on; whoever does not for the length of its lease is taken for dead. */
  async renew(id: string): Promise<void> {
    await this.scripts.renew(this.keys.task(id), this.lifetimes.leaseMs);
  }

  /**
   * Stores a chunk's bytes and counts its rows as pending; `stopped` when the task takes no more, `gone` when Redis knows
   * nothing of it.
   */
  async append(id: string, chunk: Chunk): Promise<'stored' | 'stopped' | 'gone'> {
    const reply = await this.scripts.append(
      this.keys.task(id),
      this.keys.chunks(id),
      this.keys.input(id, chunk.index),
      chunk.index,
      chunk.firstRow,
      chunk.rows,
      bufferOf(chunk.bytes),
      this.lifetimes.unfinishedMs,
    );
    return reply as 'stored' | 'stopped' | 'gone';
  }

  /**
   * Ends the upload: from now on the task finishes with its last chunk. Undefined when Redis does not hold it with as many
   * chunks as were stored: it has lost something since.
   */
  async seal(id: string, chunks: number): Promise<Task | undefined> {
    const reply = await this.scripts.seal(
      this.keys.task(id),
      this.keys.chunks(id),
      ...this.finishArguments(id),
      chunks,
    );
    return taskOf(pairs(reply as string[]));
  }

  /** Fails a task whose upload broke off, and removes its bytes; later commits of its chunks are refused. */
  async abort(id: string, message: string): Promise<void> {
    await this.abortIf('', id, message);
  }

  /** The same, for one whose upload has been silent for longer than its lease. True when it was. */
  async abortLapsed(id: string): Promise<boolean> {
    return this.abortIf('lapsed', id, SILENT_UPLOAD);
  }

  private async abortIf(which: 'lapsed' | '', id: string, message: string): Promise<boolean> {
    const reply = await this.scripts.abort(
      this.keys.task(id),
      this.keys.chunks(id),
      this.now(),
      this.lifetimes.recordMs,
      this.keys.finished(),
      this.keys.inputs(id),
      this.keys.outputs(id),
      message,
      which,
    );
    if (reply === 1) await this.index.remove(id);
    return reply === 1;
  }

  /** True when a task is being received and Redis was restarted, or replaced by another, since that began. */
  async isInterrupted(id: string): Promise<boolean> {
    return (await this.scripts.isInterrupted(this.keys.task(id))) === 1;
  }

  /** Removes a task that was refused before its id was given out. */
  async discard(id: string): Promise<void> {
    await this.scripts.discard(
      this.keys.task(id),
      this.keys.chunks(id),
      this.keys.inputs(id),
      this.keys.outputs(id),
    );
    await this.index.remove(id);
  }

  /** Starts a chunk, if its model is among those that the worker serves, given by their pins: its rows count as running, its bytes are handed out unless they are many. */
  async begin(id: string, chunk: number, served: readonly string[]): Promise<Begun> {
    return parseBegun(
      await this.scripts.begin(
        this.keys.task(id),
        this.keys.chunks(id),
        this.keys.input(id, chunk),
        chunk,
        ...this.finishArguments(id),
        ...served,
      ),
    );
  }

  /** Takes a begun chunk back, to be begun again by any worker. */
  async release(id: string, chunk: number): Promise<void> {
    await this.scripts.release(this.keys.task(id), this.keys.chunks(id), chunk);
  }

  /** Commits a chunk's result, the ledger, the status and the event in one step, and only once. */
  async commit(
    id: string,
    chunk: number,
    { counts, segments, errorGroups = {} }: ChunkResult,
    times?: ChunkTimes,
  ): Promise<Committed> {
    const [now, ...finish] = this.finishArguments(id);
    const reply = await this.scripts.commit(
      this.keys.task(id),
      this.keys.chunks(id),
      this.keys.input(id, chunk),
      this.keys.output(id, chunk),
      chunk,
      counts.succeeded,
      counts.invalid,
      counts.failed,
      now,
      this.lifetimes.unfinishedMs,
      ...finish,
      this.keys.progress(),
      ...timeArguments(times),
      ...errorArguments(errorGroups),
      ...Object.entries(segments).flatMap(([name, bytes]) => [name, bufferOf(bytes)]),
    );
    const [kind, expiresAt, resultBytes] = reply as [Committed['kind'], string?, string?];
    if (kind !== 'finished') return { kind };
    return { kind, ended: { id, expiresAt: Number(expiresAt), resultBytes: Number(resultBytes) } };
  }

  /**
   * Ends a task before its rows are done. `expired` is for one whose deadline has passed, and `early` when it has not.
   * Late commits of its chunks are refused.
   */
  async end(id: string, outcome: 'cancelled' | 'expired'): Promise<'halted' | 'ended' | 'early' | 'gone'> {
    const reply = await this.scripts.end(
      this.keys.task(id),
      this.keys.chunks(id),
      outcome,
      ...this.finishArguments(id),
    );
    return reply as 'halted' | 'ended' | 'early' | 'gone';
  }

  /** Cancels a task that is unfinished, and removes all of its rows and results at once. */
  async erase(id: string): Promise<void> {
    await this.scripts.erase(this.keys.task(id), this.keys.chunks(id), ...this.finishArguments(id));
    await Promise.all([this.index.remove(id), this.index.removeResults([id])]);
  }

  /** The task's record, expired if its deadline has passed; undefined when there is none. */
  async read(id: string): Promise<Task | undefined> {
    const task = taskOf(await this.redis.hgetall(this.keys.task(id)));
    // The clocks of two machines may differ; the script looks at the one of Redis.
    const isDue = task?.deadlineAt !== undefined && !isTerminal(task.status) && task.deadlineAt <= this.now();
    if (!isDue || (await this.end(id, 'expired')) === 'early') return task;
    return taskOf(await this.redis.hgetall(this.keys.task(id)));
  }

  /** Notes in the index that a task has ended. The reaper does it, too, later. */
  async settle(id: string): Promise<void> {
    const task = await this.read(id);
    if (task !== undefined && isTerminal(task.status)) await this.index.settle(task);
  }

  /** Removes the results of a finished task before their time; its id answers that they have expired. */
  async expireResults(id: string): Promise<void> {
    await this.scripts.expireResults(
      this.keys.task(id),
      this.keys.chunks(id),
      this.now(),
      this.lifetimes.recordMs,
      this.keys.outputs(id),
      this.keys.inputs(id),
    );
  }

  /** Segments of a chunk's result, by name; those that it does not have are absent. Undefined when it has expired. */
  async readSegments(id: string, chunk: number, names?: readonly string[]): Promise<Segments | undefined> {
    const key = this.keys.output(id, chunk);
    if (names === undefined) {
      const segments = await this.redis.hgetallBuffer(key);
      return Object.keys(segments).length === 0 ? undefined : segments;
    }
    const values = await this.redis.hmgetBuffer(key, ...names);
    if (values.every((value) => value === null) && (await this.redis.exists(key)) === 0) return undefined;
    const found = names.map((name, index) => [name, values[index]] as const);
    return Object.fromEntries(found.filter((entry): entry is [string, Buffer] => Buffer.isBuffer(entry[1])));
  }

  /** The bytes of a chunk as they came. Kept while it is not done, and as long as the results when rows of it can be retried. */
  async readInput(id: string, chunk: number): Promise<Buffer | undefined> {
    return (await this.redis.getBuffer(this.keys.input(id, chunk))) ?? undefined;
  }

  /** The first rows of a task with each of these codes. None when its results have expired. */
  async readExamples(id: string, codes: readonly RowCode[]): Promise<ReadonlyMap<RowCode, ErrorExample[]>> {
    if (codes.length === 0) return new Map();
    const texts = await this.redis.hmget(this.keys.chunks(id), ...codes.map(examplesField));
    return new Map(codes.map((code, at) => [code, parseExamples(code, texts[at] ?? '')]));
  }

  /** Where a chunk's rows are in the task, and what has become of them. Undefined when it has expired. */
  async readSpan(id: string, chunk: number): Promise<ChunkSpan | undefined> {
    const entry = await this.redis.hget(this.keys.chunks(id), String(chunk));
    if (entry === null) return undefined;
    const [state, firstRow, rows] = entry.split(' ');
    return { state: state as ChunkSpan['state'], firstRow: Number(firstRow), rows: Number(rows) };
  }

  /** Which of these chunks, or of all, are still to be committed. */
  async openChunks(id: string, among?: readonly number[]): Promise<number[]> {
    const key = this.keys.chunks(id);
    const entries =
      among === undefined
        ? Object.entries(await this.redis.hgetall(key))
        : (await this.redis.hmget(key, ...among.map(String))).map((entry, at) => [among[at], entry] as const);
    const open = entries.filter(([, entry]) => entry !== null && OPEN_CHUNK.test(entry));
    return open.map(([chunk]) => Number(chunk));
  }

  private finishArguments(id: string): [number, number, number, string, string, string] {
    const { resultsMs, recordMs } = this.lifetimes;
    return [
      this.now(),
      resultsMs,
      recordMs,
      this.keys.finished(),
      this.keys.outputs(id),
      this.keys.inputs(id),
    ];
  }
}

/** The record of a new task but for its status, with an empty ledger, as the hash's fields and values. */
function fieldsOf(task: NewTask, createdAt: number): (string | number)[] {
  const record = {
    ...EMPTY_LEDGER,
    id: task.id,
    client: task.client,
    model: task.model,
    fingerprint: task.fingerprint,
    format: task.format,
    pool: task.pool,
    request_id: task.requestId,
    created_at: createdAt,
    chunks: 0,
    done: 0,
    input_bytes: 0,
    result_bytes: 0,
    ...(task.columns === undefined ? {} : { columns: JSON.stringify(task.columns) }),
    ...(task.retryOf === undefined ? {} : { retry_of: task.retryOf, retry_depth: task.retryDepth ?? 1 }),
  };
  return Object.entries(record).flat();
}

/** The seconds of the steps up to encoding as the COMMIT script takes them, in microseconds. */
function timeArguments(times: ChunkTimes | undefined): (string | number)[] {
  if (times === undefined) return [...COMPUTED_STEPS.map(() => ''), ''];
  const computed = COMPUTED_STEPS.map((step) => Math.round(times.seconds[step] * 1e6));
  return [...computed, Math.round(times.encodedAt)];
}

function taskOf(record: Record<string, string>): Task | undefined {
  return Object.keys(record).length === 0 ? undefined : parseTask(record);
}
