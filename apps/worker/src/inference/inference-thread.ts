/** The main thread's side of one inference thread. */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import type { LoadableModel, PredictReply, PredictRequest, ThreadReply, ThreadRequest } from './messages.js';

export class InferenceThread {
  /** When each model that it has loaded was last used, by pin. */
  readonly lastUsed = new Map<string, number>();
  private readonly worker = new Worker(new URL('./thread.js', import.meta.url));
  private answer: { resolve(reply: ThreadReply): void; reject(error: Error): void } | undefined;
  private ended: Error | undefined;

  /** @param onEnd called once when the thread has ended, by itself or not */
  constructor(onEnd: (thread: InferenceThread) => void) {
    this.worker.on('message', (reply: ThreadReply) => this.answer?.resolve(reply));
    this.worker.on('error', (error) => {
      this.ended ??= error as Error;
    });
    this.worker.on('exit', () => {
      this.ended ??= new Error('the inference thread ended');
      this.answer?.reject(this.ended);
      onEnd(this);
    });
  }

  /** @throws Error when ONNX Runtime refuses the file now */
  async load(model: LoadableModel): Promise<void> {
    await this.ask({ kind: 'load', model }, []);
    this.lastUsed.set(model.pin, Date.now());
  }

  /** Moves the chunk's bytes to the thread; they are gone from this one afterwards. The model must be loaded. */
  async predict(request: PredictRequest): Promise<PredictReply> {
    const reply = await this.ask({ kind: 'predict', request }, [request.source.bytes.buffer as ArrayBuffer]);
    this.lastUsed.set(request.pin, Date.now());
    return reply as PredictReply;
  }

  async stop(): Promise<void> {
    if (this.ended !== undefined) return;
    const exited = once(this.worker, 'exit');
    await this.worker.terminate();
    await exited;
  }

  private async ask(request: ThreadRequest, transferList: ArrayBuffer[]): Promise<PredictReply | undefined> {
    if (this.ended !== undefined) throw this.ended;
    try {
      const reply = await new Promise<ThreadReply>((resolve, reject) => {
        this.answer = { resolve, reject };
        this.worker.postMessage(request, transferList);
      });
      if (!reply.ok) throw new Error(reply.message);
      return reply.value;
    } finally {
      this.answer = undefined;
    }
  }
}
