/** Proves versions in a process of its own, which is started for the first one and ended after the last. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import type { Candidate, Proof } from './prove.js';

export type ProverReply = { ok: true; proof: Proof } | { ok: false; message: string };

/** The proof was given up. */
export class ProofTimeout extends Error {}

export class Prover {
  private child: ChildProcess | undefined;

  /**
   * @param limitMs how long the proof may take
   * @throws ProofTimeout, or Error that says why the version must not be served
   */
  async prove(candidate: Candidate, limitMs: number): Promise<Proof> {
    if (this.child !== undefined && hasEnded(this.child)) this.child = undefined;
    this.child ??= fork(new URL('./prover-process.js', import.meta.url), {
      serialization: 'advanced',
      // It learns nothing from the worker's debugger or profiler flags, and ONNX Runtime reports nothing to its makers.
      execArgv: [],
      env: { ORT_DISABLE_TELEMETRY: '1', ...process.env },
    });
    const reply = await this.ask(this.child, candidate, limitMs);
    if (!reply.ok) throw new Error(reply.message);
    return reply.proof;
  }

  async stop(): Promise<void> {
    const { child } = this;
    this.child = undefined;
    if (child === undefined || hasEnded(child)) return;
    const exited = once(child, 'exit');
    child.kill('SIGKILL');
    await exited;
  }

  private async ask(child: ChildProcess, candidate: Candidate, limitMs: number): Promise<ProverReply> {
    const given = new AbortController();
    const timer = setTimeout(() => given.abort(), limitMs);
    try {
      const { signal } = given;
      const answered = once(child, 'message', { signal }).then(([reply]) => reply as ProverReply);
      const exited = once(child, 'exit', { signal }).then(([code, name]): ProverReply => {
        this.child = undefined;
        return { ok: false, message: `the process that tried it ended with ${name ?? `code ${code}`}` };
      });
      child.send(candidate);
      return await Promise.race([answered, exited]);
    } catch (error) {
      await this.stop();
      if (!given.signal.aborted)
        throw new Error(`the process that tries it failed: ${(error as Error).message}`);
      throw new ProofTimeout(`it was not proved within ${limitMs / 1000} s; MODEL_PROVE_MS gives it more`);
    } finally {
      clearTimeout(timer);
      given.abort();
    }
  }
}

function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}
