/** Runs one API and some workers as child processes. A worker that ends is started again; without its API the platform ends. */
import { type PlatformProcess, startProcess } from './platform-process.js';

const RESTART_MS = 1_000;

export class Platform {
  private readonly workers = new Map<number, PlatformProcess>();
  private readonly restarts = new Set<NodeJS.Timeout>();
  private api: PlatformProcess | undefined;
  private isStopping = false;

  /** @param env of every child; workers beyond the first get no fixed port */
  constructor(
    private readonly env: NodeJS.ProcessEnv,
    private readonly workerCount: number,
    private readonly say: (line: string) => void,
  ) {}

  /** Resolves with the API's port once the API and every worker are ready. @throws Error when one of them is not to be */
  async start(): Promise<number> {
    const first = Array.from({ length: this.workerCount }, (_, index) => this.startWorker(index));
    const api = startProcess('api', this.env);
    this.api = api;
    const [{ port }] = await Promise.all([api.ready, ...first.map((worker) => worker.ready)]);
    for (const [index, worker] of this.workers) this.watch(index, worker);
    api.exited.then((code) => {
      if (this.isStopping) return;
      this.say(`The API has ended with ${code}; stopping.`);
      process.exitCode = 1;
      process.kill(process.pid, 'SIGTERM');
    });
    return port;
  }

  /** The API first, so that nothing new comes in; then the workers, all at once. */
  async stop(): Promise<void> {
    this.isStopping = true;
    for (const timer of this.restarts) clearTimeout(timer);
    await this.api?.stop();
    await Promise.all([...this.workers.values()].map((worker) => worker.stop()));
  }

  private startWorker(index: number): PlatformProcess {
    const worker = startProcess('worker', index === 0 ? this.env : { ...this.env, WORKER_PORT: '0' });
    this.workers.set(index, worker);
    return worker;
  }

  private watch(index: number, worker: PlatformProcess): void {
    worker.exited.then((code) => {
      if (this.isStopping) return;
      this.say(`Worker ${worker.child.pid} has ended with ${code}; starting another one.`);
      const timer = setTimeout(() => {
        this.restarts.delete(timer);
        this.watch(index, this.startWorker(index));
      }, RESTART_MS);
      this.restarts.add(timer);
    });
  }
}
