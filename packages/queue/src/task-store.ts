/** The task store is responsible for everything of a task but its place in the queue: record, ledger, chunks, results. */
import type { RequestCode } from '@millrace/batch/errors';
import { OUTCOMES } from '@millrace/batch/ledger';
import type { ChunkResult, Segments } from '@millrace/batch/results/encode-chunk';
import type { CsvColumn } from '@millrace/batch/rows/row-reader';
import type { Chunk } from '@millrace/batch/split/chunk-splitter';
import { STATUSES } from '@millrace/batch/status';
import type { Task } from '@millrace/batch/task';
import type { Redis } from 'ioredis';
import { z } from 'zod';
import { DEFAULT_LIFETIMES, type Keys, type Lifetimes } from './keys.js';
import { EMPTY_LEDGER } from './scripts/status-moves.js';
import {
  ABORT,
  APPEND,
  BEGIN,
  COMMIT,
  DISCARD,
  RELEASE,
  type ScriptDefinition,
  SEAL,
} from './scripts/task-scripts.js';

export interface NewTask {
  id: string;
  client: string;
  model: string;
  format: Task['format'];
  /** What the columns of the chunks hold; CSV only. */
  columns?: readonly CsvColumn[];
  requestId: string;
}

/** What `begin` found. */
export type Begun =
  | { kind: 'started'; chunk: StartedChunk }
  /** Another run has committed it. */
  | { kind: 'done' }
  /** The task is finished, refused or expired: there is nothing to do. */
  | { kind: 'gone' }
  /** The input bytes are missing though the chunk is not done. */
  | { kind: 'lost'; firstRow: number; rows: number };

export interface StartedChunk {
  firstRow: number;
  rows: number;
  model: string;
  format: Task['format'];
  columns: readonly CsvColumn[];
  requestId: string;
  /** When the task was created, in ms since the epoch. */
  createdAt: number;
  bytes: Buffer;
}

export type Committed = 'committed' | 'finished' | 'done' | 'gone';

type Argument = string | number | Buffer;
type Script = (...args: Argument[]) => Promise<unknown>;

export class TaskStore {
  private readonly appendScript: Script;
  private readonly sealScript: Script;
  private readonly abortScript: Script;
  private readonly discardScript: Script;
  private readonly beginScript: Script;
  private readonly releaseScript: Script;
  private readonly commitScript: Script;

  /** @param now milliseconds since the epoch */
  constructor(
    private readonly redis: Redis,
    private readonly keys: Keys,
    private readonly lifetimes: Lifetimes = DEFAULT_LIFETIMES,
    private readonly now: () => number = Date.now,
  ) {
    this.appendScript = define(redis, 'millraceAppend', APPEND);
    this.sealScript = define(redis, 'millraceSeal', SEAL);
    this.abortScript = define(redis, 'millraceAbort', ABORT);
    this.discardScript = define(redis, 'millraceDiscard', DISCARD);
    this.beginScript = define(redis, 'millraceBegin', BEGIN, 'Buffer');
    this.releaseScript = define(redis, 'millraceRelease', RELEASE);
    this.commitScript = define(redis, 'millraceCommit', COMMIT);
  }

  /** Records a task in `receiving`, with an empty ledger. */
  async create(task: NewTask): Promise<void> {
    const key = this.keys.task(task.id);
    const record = {
      ...EMPTY_LEDGER,
      id: task.id,
      client: task.client,
      model: task.model,
      format: task.format,
      request_id: task.requestId,
      status: 'receiving',
      created_at: this.now(),
      chunks: 0,
      done: 0,
      ...(task.columns === undefined ? {} : { columns: JSON.stringify(task.columns) }),
    };
    const replies = await this.redis
      .multi()
      .hset(key, record)
      .pexpire(key, this.lifetimes.unfinishedMs)
      .exec();
    for (const [error] of replies ?? []) if (error) throw error;
  }

  /** Stores a chunk's bytes and counts its rows as pending; `stopped` when the task takes no more. */
  async append(id: string, chunk: Chunk): Promise<'stored' | 'stopped'> {
    const reply = await this.appendScript(
      this.keys.task(id),
      this.keys.chunks(id),
      this.keys.input(id, chunk.index),
      chunk.index,
      chunk.firstRow,
      chunk.rows,
      bufferOf(chunk.bytes),
      this.lifetimes.unfinishedMs,
    );
    return reply as 'stored' | 'stopped';
  }

  /** Ends the upload; from now on the task finishes with its last chunk. */
  async seal(id: string): Promise<void> {
    await this.sealScript(this.keys.task(id), this.keys.chunks(id), ...this.finishArguments(id));
  }

  /** Fails a task whose upload broke off, and removes its bytes; later commits of its chunks are refused. */
  async abort(id: string, code: RequestCode, message: string): Promise<void> {
    await this.abortScript(
      this.keys.task(id),
      this.keys.chunks(id),
      this.now(),
      this.lifetimes.recordMs,
      this.keys.finished(),
      this.keys.inputs(id),
      this.keys.outputs(id),
      code,
      message,
    );
  }

  /** Removes a task that was refused before its id was given out. */
  async discard(id: string): Promise<void> {
    await this.discardScript(
      this.keys.task(id),
      this.keys.chunks(id),
      this.keys.inputs(id),
      this.keys.outputs(id),
    );
  }

  /** Starts a chunk: its rows count as running, its bytes are handed out. */
  async begin(id: string, chunk: number): Promise<Begun> {
    const reply = BeginReply.parse(
      await this.beginScript(
        this.keys.task(id),
        this.keys.chunks(id),
        this.keys.input(id, chunk),
        chunk,
        this.now(),
      ),
    );
    const [kind, firstRow = 0, rows = 0] = reply;
    if (kind !== 'started') return { kind, firstRow, rows };
    const [, , , model, format, columns, requestId, createdAt, bytes] = reply;
    return { kind, chunk: { firstRow, rows, model, format, columns, requestId, createdAt, bytes } };
  }

  /** Takes a begun chunk back, to be begun again by any worker. */
  async release(id: string, chunk: number): Promise<void> {
    await this.releaseScript(this.keys.task(id), this.keys.chunks(id), chunk);
  }

  /** Commits a chunk's result, the ledger, the status and the event in one step, and only once. */
  async commit(id: string, chunk: number, { counts, segments }: ChunkResult): Promise<Committed> {
    const [now, ...finish] = this.finishArguments(id);
    const reply = await this.commitScript(
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
      ...Object.entries(segments).flatMap(([name, bytes]) => [name, bufferOf(bytes)]),
    );
    return reply as Committed;
  }

  /** The task's record; undefined when there is none. */
  async read(id: string): Promise<Task | undefined> {
    const record = await this.redis.hgetall(this.keys.task(id));
    return Object.keys(record).length === 0 ? undefined : taskOf(TaskRecord.parse(record));
  }

  /** Segments of a chunk's result, by name; those that it does not have are absent. Undefined when it has expired. */
  async readSegments(id: string, chunk: number, names?: readonly string[]): Promise<Segments | undefined> {
    const key = this.keys.output(id, chunk);
    if (names === undefined) {
      const segments = await this.redis.hgetallBuffer(key);
      return Object.keys(segments).length === 0 ? undefined : segments;
    }
    const values = await this.redis.hmgetBuffer(key, 'predictions', ...names);
    if (values[0] === null) return undefined;
    const found = names.map((name, index) => [name, values[index + 1]] as const);
    return Object.fromEntries(found.filter((entry): entry is [string, Buffer] => Buffer.isBuffer(entry[1])));
  }

  /** Where a chunk's rows are in the task. Undefined when it has expired. */
  async readSpan(id: string, chunk: number): Promise<{ firstRow: number; rows: number } | undefined> {
    const entry = await this.redis.hget(this.keys.chunks(id), String(chunk));
    if (entry === null) return undefined;
    const [, firstRow, rows] = entry.split(' ');
    return { firstRow: Number(firstRow), rows: Number(rows) };
  }

  private finishArguments(id: string): [number, number, number, string, string] {
    const { resultsMs, recordMs } = this.lifetimes;
    return [this.now(), resultsMs, recordMs, this.keys.finished(), this.keys.outputs(id)];
  }
}

function define(
  redis: Redis,
  name: string,
  { numberOfKeys, lua }: ScriptDefinition,
  replyType: '' | 'Buffer' = '',
): Script {
  redis.defineCommand(name, { numberOfKeys, lua });
  const commands = redis as unknown as Record<string, Script>;
  return (...args) => (commands[name + replyType] as Script).apply(redis, args);
}

function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

const Text = z.instanceof(Buffer).transform(String);
const Count = z.union([z.instanceof(Buffer), z.string()]).transform((value) => Number(String(value)));
const Format = z.enum(['ndjson', 'csv']);
const Columns = z.array(z.union([z.number(), z.literal('id')]));

/** The answer of the BEGIN script, in bytes. */
const BeginReply = z.union([
  z.tuple([Text.pipe(z.enum(['gone', 'done']))]),
  z.tuple([Text.pipe(z.literal('lost')), Count, Count]),
  z.tuple([
    Text.pipe(z.literal('started')),
    Count,
    Count,
    Text,
    Text.pipe(Format),
    z
      .instanceof(Buffer)
      .nullable()
      .transform((json) => (json === null ? [] : Columns.parse(JSON.parse(json.toString())))),
    Text,
    Count,
    z.instanceof(Buffer),
  ]),
]);

const TaskRecord = z.object({
  id: z.string(),
  client: z.string(),
  model: z.string(),
  format: Format,
  request_id: z.string(),
  status: z.enum(STATUSES),
  created_at: Count,
  started_at: Count.optional(),
  finished_at: Count.optional(),
  expires_at: Count.optional(),
  chunks: Count,
  total: Count,
  ...(Object.fromEntries(OUTCOMES.map((outcome) => [outcome, Count])) as Record<
    (typeof OUTCOMES)[number],
    typeof Count
  >),
  error_code: z.string().optional(),
  error_message: z.string().optional(),
});

function taskOf(record: z.infer<typeof TaskRecord>): Task {
  const { total, pending, running, succeeded, invalid, failed, cancelled, expired } = record;
  const task: Task = {
    id: record.id,
    client: record.client,
    model: record.model,
    format: record.format,
    requestId: record.request_id,
    status: record.status,
    ledger: { total, pending, running, succeeded, invalid, failed, cancelled, expired },
    chunks: record.chunks,
    createdAt: record.created_at,
  };
  if (record.started_at !== undefined) task.startedAt = record.started_at;
  if (record.finished_at !== undefined) task.finishedAt = record.finished_at;
  if (record.expires_at !== undefined) task.expiresAt = record.expires_at;
  if (record.error_code !== undefined) {
    task.error = { code: record.error_code as RequestCode, message: record.error_message ?? '' };
  }
  return task;
}
