/** The worker's side of one process for a suspect chunk. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { awakeTimeout } from './awake-timer.js';
import type { SuspectReply, SuspectRequest } from './messages.js';

export type Answer =
  | SuspectReply
  /** The process ended over the question: by which signal or with which code. */
  | { kind: 'died'; how: string }
  | { kind: 'late' };

/** The kernel may take its time to take a large process's memory back. */
const END_MS = 2_000;

export class SuspectProcess {
  private readonly child: ChildProcess;
  private readonly exited: Promise<string>;

  constructor() {
    this.child = fork(new URL('./suspect-child.js', import.meta.url), {
      serialization: 'advanced',
      execArgv: [],
      env: { ORT_DISABLE_TELEMETRY: '1', ...process.env },
    });
    this.exited = new Promise((resolve) => {
      this.child.once('exit', (code, signal) => resolve(signal ?? `code ${code}`));
      // It could not be started, or not be written to.
      this.child.on('error', (error) => resolve(error.message));
    });
  }

  get pid(): number | undefined {
    return this.child.pid;
  }

  /** Asks one question, to be answered while this process is awake for so long. Whoever does not get an answer to it has to end the process. */
  async ask(request: SuspectRequest, limitMs: number): Promise<Answer> {
    const settled = new AbortController();
    let forget = () => {};
    const late = new Promise<Answer>((resolve) => {
      forget = awakeTimeout(limitMs, () => resolve({ kind: 'late' }));
    });
    const replied = once(this.child, 'message', { signal: settled.signal }).then(
      ([reply]) => reply as SuspectReply,
      (): Answer => ({ kind: 'late' }),
    );
    const died = this.exited.then((how): Answer => ({ kind: 'died', how }));
    try {
      if (this.child.connected) this.child.send(request, () => {});
      return await Promise.race([replied, died, late]);
    } finally {
      forget();
      settled.abort();
    }
  }

  async end(): Promise<void> {
    this.child.kill('SIGKILL');
    let timer: NodeJS.Timeout | undefined;
    const tooLong = new Promise((resolve) => {
      timer = setTimeout(resolve, END_MS);
    });
    await Promise.race([this.exited, tooLong]);
    clearTimeout(timer);
  }
}
