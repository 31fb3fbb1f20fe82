/**
 * The inference threads of a worker. Each runs one request at a time and keeps the sessions that it has loaded. A thread
 * whose sessions are to go is replaced by a fresh one, for only the end of a thread gives all of their memory back.
 */
import { InferenceThread, type ThreadEvents } from './inference-thread.js';
import type { LoadableModel, PredictReply, PredictRequest } from './messages.js';

export interface PoolLimits {
  /** How long one run of a chunk may take. */
  chunkMs: number;
  /** How long a thread may take to load a version. */
  loadMs: number;
}

const DEFAULT_LIMITS: PoolLimits = { chunkMs: 300_000, loadMs: 120_000 };
/** How long the end of the pool waits for a thread that computes. */
const STOP_MS = 1_000;

interface Waiting {
  take(thread: InferenceThread): void;
  giveUp(error: Error): void;
}

export class InferencePool {
  private readonly threads = new Set<InferenceThread>();
  private readonly idle: InferenceThread[] = [];
  /** Who waits for any thread, the longest first. */
  private readonly waiting: Waiting[] = [];
  /** Who waits for one thread; they go before all others. */
  private readonly claims = new Map<InferenceThread, () => void>();
  private readonly models = new Map<string, LoadableModel>();
  /** Threads that gave no answer in time and have not ended yet. */
  private readonly stuck = new Set<InferenceThread>();
  private readonly events: ThreadEvents = {
    stuck: (thread) => this.onStuck(thread),
    ended: (thread) => this.onEnd(thread),
  };
  private isStopped = false;
  /** Threads beyond the size of the pool, while one is being replaced. */
  private surplus = 0;

  constructor(
    private readonly size: number,
    private readonly limits: PoolLimits = DEFAULT_LIMITS,
    /** Hears how many threads are stuck, each time that one more is. */
    private readonly onMoreStuck: (stuck: number) => void = () => {},
  ) {
    // ONNX Runtime reports its use to its makers unless told not to. It asks the process's environment, of which a
    // thread's is only a copy, so this must be said here and before the first thread.
    process.env.ORT_DISABLE_TELEMETRY ??= '1';
    for (let index = 0; index < size; index++) this.release(this.startThread());
  }

  /** Loads a proved version into every thread, one after the other, while the others go on predicting. */
  async load(model: LoadableModel): Promise<void> {
    this.models.set(model.pin, model);
    for (const thread of [...this.threads]) {
      await this.claim(thread);
      // The one that has replaced it meanwhile loads what it is asked for.
      if (!this.threads.has(thread)) continue;
      try {
        await this.ensureLoaded(thread, model);
      } finally {
        this.release(thread);
      }
    }
  }

  /** What `load` was called for under this pin. */
  model(pin: string): LoadableModel {
    const model = this.models.get(pin);
    if (model === undefined) throw new Error(`this worker has no model ${pin}`);
    return model;
  }

  /** When a version was last predicted with, in milliseconds since the epoch; 0 when no thread has it. */
  lastUsed(pin: string): number {
    return Math.max(0, ...[...this.threads].map((thread) => thread.lastUsed.get(pin) ?? 0));
  }

  /** The version will not be predicted with any more. Its sessions stay until `releaseUnused`. */
  forget(pin: string): void {
    this.models.delete(pin);
  }

  /**
   * Predicts a chunk with a version that `load` was called for.
   * @throws TimeLimitError when that takes too long; the thread has been replaced
   * @throws Error when the thread ends, or the version cannot be loaded any more
   */
  async predict(request: PredictRequest): Promise<PredictReply> {
    const model = this.model(request.pin);
    const thread = await this.acquire(request.pin);
    try {
      await this.ensureLoaded(thread, model);
      return await thread.predict(request, this.limits.chunkMs);
    } finally {
      this.release(thread);
    }
  }

  /**
   * Replaces every thread that holds a session of a forgotten version, or one not used since `before` (milliseconds since
   * the epoch), by a fresh one with the others.
   */
  async releaseUnused(before: number): Promise<void> {
    for (const thread of [...this.threads]) {
      const isUsed = ([pin, lastUsed]: [string, number]) => this.models.has(pin) && lastUsed >= before;
      const kept = [...thread.lastUsed].filter(isUsed);
      if (kept.length === thread.lastUsed.size) continue;
      await this.claim(thread);
      if (this.isStopped) return;
      if (!this.threads.has(thread)) continue;
      const fresh = this.startThread();
      this.surplus++;
      for (const [pin, lastUsed] of kept) {
        const model = this.models.get(pin);
        if (model === undefined || !this.threads.has(fresh)) continue;
        // A file that has gone since is kept from the fresh thread; whoever asks for it is told.
        await fresh.load(model, this.limits.loadMs).then(
          () => fresh.lastUsed.set(pin, lastUsed),
          () => {},
        );
      }
      this.threads.delete(thread);
      this.surplus--;
      await thread.stop(STOP_MS);
      // Unless it has ended meanwhile, and has been replaced.
      this.release(fresh);
    }
  }

  async stop(): Promise<void> {
    this.isStopped = true;
    for (const each of this.waiting.splice(0)) each.giveUp(new Error('the worker stops'));
    await Promise.all([...this.threads, ...this.stuck].map((thread) => thread.stop(STOP_MS)));
  }

  private startThread(): InferenceThread {
    const thread = new InferenceThread(this.events);
    this.threads.add(thread);
    return thread;
  }

  private onStuck(thread: InferenceThread): void {
    this.stuck.add(thread);
    this.replace(thread);
    this.onMoreStuck(this.stuck.size);
  }

  private onEnd(thread: InferenceThread): void {
    this.stuck.delete(thread);
    this.replace(thread);
  }

  /** Puts a fresh thread in the place of one that has ended or is stuck; its request has failed already. */
  private replace(thread: InferenceThread): void {
    const wasOurs = this.threads.delete(thread);
    const at = this.idle.indexOf(thread);
    if (at !== -1) this.idle.splice(at, 1);
    this.claims.get(thread)?.();
    this.claims.delete(thread);
    if (wasOurs && !this.isStopped && this.threads.size < this.size + this.surplus)
      this.release(this.startThread());
  }

  /** A free thread, one that has the model loaded if there is one. */
  private acquire(pin: string): Promise<InferenceThread> {
    if (this.isStopped) return Promise.reject(new Error('the worker stops'));
    const at = this.idle.findIndex((each) => each.lastUsed.has(pin));
    const [thread] = this.idle.splice(Math.max(0, at), 1);
    if (thread !== undefined) return Promise.resolve(thread);
    return new Promise((take, giveUp) => this.waiting.push({ take, giveUp }));
  }

  /** Takes this very thread out of service as soon as it is free. Only `load` and `releaseUnused` claim, one at a time. */
  private claim(thread: InferenceThread): Promise<void> {
    const at = this.idle.indexOf(thread);
    if (at === -1 && this.threads.has(thread)) {
      return new Promise((taken) => this.claims.set(thread, taken));
    }
    if (at !== -1) this.idle.splice(at, 1);
    return Promise.resolve();
  }

  /** Gives a thread to whoever claims it, or waits longest for any. */
  private release(thread: InferenceThread): void {
    const claimed = this.claims.get(thread);
    this.claims.delete(thread);
    if (claimed !== undefined) claimed();
    else if (this.threads.has(thread)) this.offer(thread);
  }

  private offer(thread: InferenceThread): void {
    const next = this.waiting.shift();
    if (next === undefined) this.idle.push(thread);
    else next.take(thread);
  }

  private async ensureLoaded(thread: InferenceThread, model: LoadableModel): Promise<void> {
    if (!thread.lastUsed.has(model.pin)) await thread.load(model, this.limits.loadMs);
  }
}
