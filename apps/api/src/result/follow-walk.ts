/** The follow walk is responsible for going through a task that still runs: chunk by chunk in order, each as soon as it is there. */
import { isTerminal } from '@millrace/batch/status';
import type { Task } from '@millrace/batch/task';
import type { ProgressEvents } from '@millrace/queue/progress-events';
import { type ChunkWalk, eachChunk } from '@millrace/tasks/stored-chunks';
import { type OwnTaskDeps, readOwn } from './own-task.js';

export interface FollowDeps extends OwnTaskDeps {
  progress: ProgressEvents;
}

/** Events are lost while Redis is away; a task is looked at after this long without any. */
const RECHECK_MS = 2_000;

type Read<T> = (chunk: number) => Promise<T | undefined>;

export class FollowWalk implements ChunkWalk {
  /** @param signal ends the waiting, with its reason */
  constructor(
    private readonly deps: FollowDeps,
    public task: Task,
    private readonly first: number,
    private readonly signal: AbortSignal,
  ) {}

  /** @throws the reason of the signal · BatchError as `readOwn` and `eachChunk` when the results are gone */
  async *each<T>(read: Read<T>): AsyncGenerator<T> {
    let chunk = this.first;
    while (!isTerminal(this.task.status)) {
      this.signal.throwIfAborted();
      const found = (await read(chunk)) ?? (await this.waitFor(chunk, read));
      if (found === undefined) continue;
      yield found;
      chunk++;
    }
    yield* eachChunk(this.task, read, chunk);
  }

  /** The chunk if it has come meanwhile; otherwise waits until there is a reason to look again. */
  private async waitFor<T>(chunk: number, read: Read<T>): Promise<T | undefined> {
    const settled = new AbortController();
    try {
      // Listening begins before the look, so that the event cannot fall between the two.
      const signal = AbortSignal.any([this.signal, settled.signal]);
      const heard = this.deps.progress.wait(this.task.id, RECHECK_MS, signal);
      const found = await read(chunk);
      if (found !== undefined) return found;
      this.task = await readOwn(this.deps, this.task.id, this.task.client);
      if (!isTerminal(this.task.status)) await heard;
      return undefined;
    } finally {
      settled.abort();
    }
  }
}
