/** The main thread's side of one inference thread. */
import { type MessagePort, Worker } from 'node:worker_threads';
import { forgetStuck, leaveStuck } from './leave-stuck.js';
import type { LoadableModel, PredictReply, PredictRequest, ThreadReply, ThreadRequest } from './messages.js';

/** The thread gave no answer in time and is stuck: nothing but the end of the process ends it for certain. */
export class TimeLimitError extends Error {
  constructor(limitMs: number) {
    super(`no answer within ${limitMs / 1000} s`);
  }
}

export interface ThreadEvents {
  /** It gave no answer in time. It is left to itself, and ends once it comes back. */
  stuck(thread: InferenceThread): void;
  /** Once, by itself or not. */
  ended(thread: InferenceThread): void;
}

export class InferenceThread {
  /** When each model that it has loaded was last used, by pin. */
  readonly lastUsed = new Map<string, number>();
  private readonly worker = new Worker(new URL('./thread.js', import.meta.url));
  private answer: { resolve(reply: ThreadReply): void; reject(error: Error): void } | undefined;
  /** Resolves when the request under way has been answered, in time or not; none is under way when it is undefined. */
  private answered: Promise<void> | undefined;
  private isStuck = false;
  private failure: Error | undefined;

  constructor(private readonly events: ThreadEvents) {
    this.worker.on('message', (reply: ThreadReply) => this.answer?.resolve(reply));
    this.worker.on('error', (error) => {
      this.failure ??= error as Error;
    });
    this.worker.on('exit', () => {
      this.failure ??= new Error('the inference thread ended');
      this.answer?.reject(this.failure);
      forgetStuck(this);
      events.ended(this);
    });
  }

  /**
   * @throws Error when ONNX Runtime refuses the file now, or it takes too long
   */
  async load(model: LoadableModel, limitMs: number): Promise<void> {
    try {
      await this.ask({ kind: 'load', model }, [], limitMs);
    } catch (error) {
      // Which is no fault of the chunk that the version is loaded for.
      throw error instanceof TimeLimitError ? new Error(`the model did not load: ${error.message}`) : error;
    }
    this.lastUsed.set(model.pin, Date.now());
  }

  /**
   * Moves the chunk's bytes to the thread; they are gone from this one afterwards. The model must be loaded.
   * @throws TimeLimitError
   */
  async predict(request: PredictRequest, limitMs: number): Promise<PredictReply> {
    const moved: (ArrayBuffer | MessagePort)[] = [request.source.bytes.buffer as ArrayBuffer];
    if (request.lookups !== undefined) moved.push(request.lookups);
    const reply = await this.ask({ kind: 'predict', request }, moved, limitMs);
    this.lastUsed.set(request.pin, Date.now());
    return reply as PredictReply;
  }

  /**
   * Ends the thread, but for one that does not come back from its request within `waitMs`: ONNX Runtime cannot be
   * interrupted, and Node aborts the whole process when the run of a thread that is being terminated returns. Such a
   * thread is left to itself, and the process does not wait for it when it exits.
   */
  async stop(waitMs: number): Promise<void> {
    if (this.answered !== undefined && !(await within(this.answered, waitMs))) {
      leaveStuck(this);
      return;
    }
    if (this.failure !== undefined) return;
    await this.worker.terminate();
  }

  private async ask(
    request: ThreadRequest,
    transferList: (ArrayBuffer | MessagePort)[],
    limitMs: number,
  ): Promise<PredictReply | undefined> {
    if (this.failure !== undefined) throw this.failure;
    const reply = new Promise<ThreadReply>((resolve, reject) => {
      this.answer = { resolve, reject };
      this.worker.postMessage(request, transferList);
    });
    this.answered = reply.then(
      () => this.onAnswer(),
      () => this.onAnswer(),
    );
    if (!(await within(this.answered, limitMs))) {
      this.isStuck = true;
      leaveStuck(this);
      this.events.stuck(this);
      throw new TimeLimitError(limitMs);
    }
    const answer = await reply;
    if (!answer.ok) throw new Error(answer.message);
    return answer.value;
  }

  private onAnswer(): void {
    this.answer = undefined;
    this.answered = undefined;
    if (this.isStuck) void this.stop(0);
  }
}

/** Whether it resolves in time. */
async function within(promise: Promise<void>, limitMs: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<false>((resolve) => {
    timer = setTimeout(resolve, limitMs, false);
  });
  try {
    return await Promise.race([promise.then(() => true), late]);
  } finally {
    clearTimeout(timer);
  }
}
