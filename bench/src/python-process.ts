/** A Python process is responsible for one script of bench/recipe, which writes lines of JSON and ends with its standard input. */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { ROOT } from './root.js';

const STOP_MS = 30_000;
/** Of its complaints. */
const KEPT = 1_000;

export class PythonProcess {
  private written = '';
  private said = '';
  /** Rejects when it ends, or cannot be started at all. */
  private readonly ended: Promise<never>;

  private constructor(private readonly child: ChildProcessWithoutNullStreams) {
    this.ended = Promise.race([
      once(child, 'close').then(([code]) => new Error(`it ended with ${code}`)),
      once(child, 'error').then(([error]) => error as Error),
    ]).then((error) => Promise.reject(error));
    this.ended.catch(() => {});
    child.stdin.on('error', () => {});
    child.stdout.on('data', (data) => {
      this.written += data;
    });
    child.stderr.on('data', (data) => {
      this.said = (this.said + data).slice(-KEPT);
    });
  }

  /** @param script by its path, run with the python3 on the PATH */
  static start(script: string, args: readonly string[]): PythonProcess {
    // In a group of its own: what ends the benchmark from a terminal does not end it before its turn.
    return new PythonProcess(
      spawn('python3', [script, ...args], { cwd: ROOT, stdio: 'pipe', detached: true }),
    );
  }

  get pid(): number {
    return this.child.pid as number;
  }

  tell(line: string): void {
    this.child.stdin.write(`${line}\n`);
  }

  /** @returns the next line that it writes @throws Error with the last of its complaints when it ends before, or the signal comes */
  async hear<T>(signal: AbortSignal): Promise<T> {
    try {
      while (!this.written.includes('\n')) {
        await Promise.race([once(this.child.stdout, 'data', { signal }), this.ended]);
      }
    } catch (error) {
      const last = this.said.trim().split('\n').at(-1);
      throw new Error([(error as Error).message, last].filter(Boolean).join(': '));
    }
    const end = this.written.indexOf('\n');
    const line = this.written.slice(0, end);
    this.written = this.written.slice(end + 1);
    return JSON.parse(line) as T;
  }

  /** Asks it to end, and kills it when it has not after half a minute. */
  async stop(): Promise<void> {
    const { child } = this;
    if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
    const exited = once(child, 'exit');
    child.stdin.end();
    child.kill('SIGTERM');
    const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
    await exited;
    clearTimeout(timer);
  }
}
