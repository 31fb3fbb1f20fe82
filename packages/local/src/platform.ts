/** Runs one API, one scheduler and some workers as child processes, and starts again whichever ends without having been asked to. */
import { type PlatformProcess, type ProcessKind, startProcess } from './platform-process.js';

const RESTART_MS = 1_000;

export class Platform {
  /** What runs now, by place: `api`, `scheduler`, `worker 0`, … */
  private readonly running = new Map<string, PlatformProcess>();
  private readonly restarts = new Set<NodeJS.Timeout>();
  private isStopping = false;

  /** @param env of every child; workers beyond the first get no fixed port */
  constructor(
    private readonly env: NodeJS.ProcessEnv,
    private readonly workers: number,
    private readonly say: (line: string) => void,
  ) {}

  /** Resolves with the API's port once all of them are ready. @throws Error when one of them is not to be */
  async start(): Promise<number> {
    for (let index = 0; index < this.workers; index++) {
      this.launch(`worker ${index}`, 'worker', index === 0 ? this.env : { ...this.env, WORKER_PORT: '0' });
    }
    this.launch('scheduler', 'scheduler', this.env);
    const api = this.launch('api', 'api', this.env);
    const [{ port }] = await Promise.all([
      api.ready,
      ...[...this.running.values()].map((each) => each.ready),
    ]);
    for (const [place, each] of this.running) {
      this.watch(place, each, each === api ? { ...each.env, PORT: String(port) } : each.env);
    }
    return port;
  }

  /** The API and the scheduler first, so that nothing new comes in; then the workers, all at once. */
  async stop(): Promise<void> {
    this.isStopping = true;
    for (const timer of this.restarts) clearTimeout(timer);
    await Promise.all(['api', 'scheduler'].map((place) => this.running.get(place)?.stop()));
    await Promise.all([...this.running.values()].map((each) => each.stop()));
  }

  private launch(place: string, kind: ProcessKind, env: NodeJS.ProcessEnv): PlatformProcess {
    const launched = startProcess(kind, env);
    this.running.set(place, launched);
    return launched;
  }

  private watch(place: string, { kind, child, exited }: PlatformProcess, env: NodeJS.ProcessEnv): void {
    exited.then((code) => {
      if (this.isStopping) return;
      this.say(`The ${kind} with process id ${child.pid} has ended with ${code}; starting another one.`);
      const timer = setTimeout(() => {
        this.restarts.delete(timer);
        this.watch(place, this.launch(place, kind, env), env);
      }, RESTART_MS);
      this.restarts.add(timer);
    });
  }
}
