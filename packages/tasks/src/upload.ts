/** An upload is responsible for one task from its first chunk until its last is in the queue, or nothing of it is left. */
import { BatchError } from '@millrace/batch/errors';
import type { Chunk, Splitter } from '@millrace/batch/split/chunk-splitter';
import type { Task } from '@millrace/batch/task';
import type { Producer } from '@millrace/queue/producer';
import type { NewTask, TaskStore } from '@millrace/queue/task-store';
import type { Admission } from './admission.js';

export interface UploadDeps {
  store: TaskStore;
  producer: Producer;
  admission: Admission;
}

/** Chunks on their way to Redis at once; when they are that many, the socket is not read. */
const IN_FLIGHT_MAX = 4;
/** Renewals of the lease in the time that it lasts; two may be lost. */
const RENEWALS = 3;

export class Upload {
  private readonly inFlight = new Set<Promise<void>>();
  /** The only chunk of a task that came whole, until the upload is finished. */
  private only: Chunk | undefined;
  private created: Promise<void> | undefined;
  private failure: { error: unknown } | undefined;
  private rowsAdded = 0;
  private chunksAdded = 0;
  private isConfirmed = false;
  private timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly deps: UploadDeps,
    private readonly task: NewTask,
    private readonly limits: { pool: string; max_rows?: number | undefined },
  ) {}

  get rows(): number {
    return this.rowsAdded;
  }

  /** Adds all that comes, in chunks. @throws BatchError as `add`, and what the splitter and the pieces meet */
  async addAll(pieces: AsyncIterable<Uint8Array> | Iterable<Uint8Array>, splitter: Splitter): Promise<void> {
    for await (const piece of pieces) for (const chunk of splitter.push(piece)) await this.add(chunk);
    for (const chunk of splitter.end()) {
      if (this.chunksAdded > 0) await this.add(chunk);
      else if (await this.takes(chunk)) this.only = chunk;
    }
  }

  /**
   * Waits for room; resolves when the next chunk may come.
   * @throws BatchError `too_many_rows`, `too_much_in_flight`, `overloaded`, or whatever storing an earlier chunk met
   */
  async add(chunk: Chunk): Promise<void> {
    if (await this.takes(chunk)) await this.store(chunk);
  }

  private async store(chunk: Chunk): Promise<void> {
    this.chunksAdded++;
    this.created ??= this.create();
    const sent = this.send(chunk, this.created)
      .catch((error) => {
        this.failure ??= { error };
      })
      .finally(() => this.inFlight.delete(sent));
    this.inFlight.add(sent);
    if (this.inFlight.size >= IN_FLIGHT_MAX) await Promise.race(this.inFlight);
    if (this.failure !== undefined) throw this.failure.error;
  }

  /**
   * Waits for the chunks on their way and ends the upload; what is accepted then is the task as it stands.
   * @param confirm for a request with an idempotency key: says that the task, which has all its chunks, is to be its answer
   * @throws BatchError `empty_batch`, or what storing met
   */
  async finish(confirm?: () => Promise<void>): Promise<Task> {
    const { only } = this;
    if (only !== undefined) {
      if (confirm === undefined) return this.createWhole(only);
      // What is confirmed is a task that has all its chunks and is not accepted yet.
      await this.store(only);
    }
    await Promise.all(this.inFlight);
    if (this.failure !== undefined) throw this.failure.error;
    if (this.created === undefined) throw new BatchError('empty_batch', 'the body has no rows');
    if (confirm !== undefined) {
      await confirm();
      this.isConfirmed = true;
    }
    const task = await this.deps.store.seal(this.task.id, this.chunksAdded);
    if (task === undefined) throw interrupted('Redis has lost a part of it');
    if (task.error !== undefined) throw interrupted(task.error.message);
    return task;
  }

  /**
   * Undoes the upload: a client that went away and an interruption leave a failed task, a refused one leaves nothing, and
   * one whose task has been ended leaves its record. First the task, since without it the jobs are harmless. One that was
   * confirmed is left to whoever settles its key: it may be sealed, and given out to another request already.
   */
  async undo(error: unknown): Promise<void> {
    await Promise.all(this.inFlight);
    await this.created?.catch(() => {});
    if (this.created === undefined || this.isConfirmed) return;
    const { store, producer } = this.deps;
    const code = error instanceof BatchError ? error.code : 'internal';
    if (code === 'upload_aborted' || code === 'upload_interrupted') {
      await store.abort(this.task.id, (error as BatchError).message);
    } else if (code === 'task_ended') {
      await store.expireResults(this.task.id);
    } else {
      await store.discard(this.task.id);
    }
    await producer.remove(this.limits.pool, this.task.id, this.chunksAdded);
  }

  /** To be called when nothing comes any more, whichever way it ended. */
  stop(): void {
    clearInterval(this.timer);
  }

  /** Waits for room for the rows of a chunk. @returns false when it has none @throws BatchError as `add` */
  private async takes({ rows, bytes }: Chunk): Promise<boolean> {
    await this.deps.admission.makeRoom(this.task.client, rows, bytes.length);
    this.rowsAdded += rows;
    refuseTooMany(this.rowsAdded, this.limits.max_rows);
    return rows > 0;
  }

  /** In one step what takes three of a task that comes in parts. Should the job not be queued, the task is undone, or mended by the reaper. */
  private async createWhole(chunk: Chunk): Promise<Task> {
    const { store, producer } = this.deps;
    this.chunksAdded++;
    const created = store.createWhole(this.task, chunk);
    this.created = created.then(
      () => {},
      () => {},
    );
    // Not sent with it: a script that Redis does not know yet is sent again, and would come behind the job.
    const task = await created;
    await producer.add(this.limits.pool, { task: task.id, chunk: chunk.index });
    return task;
  }

  private create(): Promise<void> {
    const { task } = this;
    const { store } = this.deps;
    // A renewal that fails has met what the upload itself meets, too.
    this.timer = setInterval(() => store.renew(task.id).catch(() => {}), store.lifetimes.leaseMs / RENEWALS);
    return store.create(task);
  }

  private async send(chunk: Chunk, created: Promise<void>): Promise<void> {
    const { id } = this.task;
    const { store, producer } = this.deps;
    const [, appended] = await Promise.all([created, store.append(id, chunk)]);
    if (appended === 'gone') throw interrupted('Redis has lost it');
    if (appended === 'stopped') throw await this.whyStopped();
    await producer.add(this.limits.pool, { task: id, chunk: chunk.index });
  }

  private async whyStopped(): Promise<BatchError> {
    const task = await this.deps.store.read(this.task.id);
    if (task?.error !== undefined) return interrupted(task.error.message);
    return new BatchError('task_ended', 'the task was ended while it was being received');
  }
}

/** Not the client's doing, and over by the next time. */
function interrupted(why: string): BatchError {
  return new BatchError('upload_interrupted', `the upload was interrupted, nothing was accepted: ${why}`);
}

/** @throws BatchError `too_many_rows` */
export function refuseTooMany(rows: number, maxRows: number | undefined): void {
  if (maxRows === undefined || rows <= maxRows) return;
  throw new BatchError('too_many_rows', `a task of this model may have at most ${maxRows} rows`, {
    limit_rows: maxRows,
  });
}
