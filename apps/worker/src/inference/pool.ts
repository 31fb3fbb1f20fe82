/** The main thread's side of the inference threads. */
import { modelKey } from '@millrace/batch/model';
import { Piscina } from 'piscina';
import type { ModelFiles } from '../models/model-directory.js';
import type { PredictReply, PredictRequest, ProveReply, ProveRequest, ThreadData } from './messages.js';

export class InferencePool {
  private readonly threads: Piscina;

  constructor(models: readonly ModelFiles[], size: number) {
    const workerData: ThreadData = {
      models: Object.fromEntries(models.map((files) => [modelKey(files), files])),
    };
    // ONNX Runtime reports its use to its makers unless told not to. It asks the process's environment, of which a
    // thread's is only a copy, so this must be said here and before the first thread.
    process.env.ORT_DISABLE_TELEMETRY ??= '1';
    this.threads = new Piscina({
      filename: new URL('./thread.js', import.meta.url).href,
      minThreads: size,
      maxThreads: size,
      recordTiming: false,
      workerData,
    });
  }

  /** @throws Error that says why the version must not be served */
  async prove(request: ProveRequest): Promise<ProveReply> {
    return this.threads.run(request, { name: 'prove' });
  }

  /** Moves the chunk's bytes to a thread; they are gone from this one afterwards. */
  async predict(request: PredictRequest): Promise<PredictReply> {
    const transferList = [request.source.bytes.buffer as ArrayBuffer];
    return this.threads.run(request, { name: 'predict', transferList });
  }

  async stop(): Promise<void> {
    await this.threads.destroy();
  }
}
