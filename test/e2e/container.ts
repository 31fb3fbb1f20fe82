/** Starts an image's own command as a process of this machine, asks its own health check, and stops it as an engine would. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cleanPath, type Image, inImage } from './image.js';

/** How long a process may take to become healthy; only a broken one takes it. */
export const HEALTHY_MS = 60_000;

export class Container {
  private output = '';
  private readonly child: ChildProcess;
  /** Resolves with the exit code, or the signal's name. */
  readonly exited: Promise<number | string>;

  /** @param environment what is set on top of the image's */
  constructor(
    private readonly image: Image,
    private readonly environment: Record<string, string>,
  ) {
    this.child = this.spawn(image.command);
    for (const stream of [this.child.stdout, this.child.stderr]) {
      stream?.on('data', (data) => {
        this.output += data;
      });
    }
    this.exited = once(this.child, 'close').then(([code, signal]) => (code ?? signal) as number | string);
  }

  /** What it has logged. */
  get log(): string {
    return this.output;
  }

  /** Asks the health check, one after the other, until it says yes. @throws Error with the log */
  async untilHealthy(): Promise<void> {
    const deadline = Date.now() + HEALTHY_MS;
    while ((await this.askHealth()) !== 0) {
      if (this.hasExited || Date.now() > deadline) throw new Error(`it is not healthy:\n${this.output}`);
    }
  }

  /** SIGTERM, as `docker stop` sends it. */
  stop(): Promise<number | string> {
    this.child.kill('SIGTERM');
    return this.exited;
  }

  /** For what a failed test leaves behind. */
  kill(): void {
    if (!this.hasExited) this.child.kill('SIGKILL');
  }

  private get hasExited(): boolean {
    return this.child.exitCode !== null || this.child.signalCode !== null;
  }

  private async askHealth(): Promise<number> {
    const [code] = await once(this.spawn(this.image.healthcheck), 'close');
    return code as number;
  }

  private spawn([program = '', ...args]: string[]): ChildProcess {
    // The image's paths are absolute in it, and beneath its folder here.
    const env = Object.entries(this.image.env).map(([name, value]) => {
      return [name, value.startsWith('/') ? inImage(this.image, value) : value];
    });
    return spawn(program, args, {
      cwd: inImage(this.image, '.'),
      env: { ...Object.fromEntries(env), ...this.environment, PATH: cleanPath() },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  }
}
