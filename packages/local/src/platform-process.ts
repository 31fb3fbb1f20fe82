/** Starts a process of the platform as a child and hears when it is ready. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));

export type ProcessKind = 'api' | 'worker' | 'scheduler';

export interface PlatformProcess {
  kind: ProcessKind;
  env: NodeJS.ProcessEnv;
  child: ChildProcess;
  /** The fields it sent when it was ready, its port among them. Rejects when it ends before. */
  ready: Promise<{ port: number }>;
  /** Resolves with the exit code, or the signal's name, once all output has been passed on. */
  exited: Promise<number | string>;
  /** Asks it to stop and waits for its end. */
  stop(): Promise<number | string>;
}

/** @param output `inherit` shows its log on this terminal; a function gets it in pieces */
export function startProcess(
  kind: ProcessKind,
  env: NodeJS.ProcessEnv,
  output: 'inherit' | ((text: string) => void) = 'inherit',
): PlatformProcess {
  const stdio = output === 'inherit' ? 'inherit' : 'pipe';
  const child = spawn(process.execPath, [`apps/${kind}/dist/main.js`], {
    cwd: ROOT,
    env,
    stdio: ['ignore', stdio, stdio, 'ipc'],
    // The terminal's Ctrl-C reaches only the parent, which stops its children in order.
    detached: true,
  });
  if (output !== 'inherit')
    for (const stream of [child.stdout, child.stderr]) stream?.on('data', (data) => output(String(data)));
  const exited = once(child, 'close').then(([code, signal]) => (code ?? signal) as number | string);
  const ready = new Promise<{ port: number }>((resolve, reject) => {
    child.once('message', (message) => resolve(message as { port: number }));
    exited.then((code) => reject(new Error(`the ${kind} ended with ${code} before it was ready`)));
  });
  ready.catch(() => {});
  const stop = () => {
    child.kill('SIGTERM');
    return exited;
  };
  return { kind, env, child, ready, exited, stop };
}
