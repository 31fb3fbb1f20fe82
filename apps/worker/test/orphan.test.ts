/** What a worker starts ends with it, at whichever moment the worker is killed. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { expect, it } from 'vitest';

it.each(['../dist/inference/prover-process.js', '../dist/suspects/suspect-child.js'])(
  '%s ends, though its worker was gone before it had started',
  async (path) => {
    const child = fork(new URL(path, import.meta.url), { execArgv: [], stdio: 'ignore' });
    // What a kill of the worker does to it: the channel closes.
    child.disconnect();
    const [code, signal] = await once(child, 'exit');
    expect(code ?? signal).toBe('SIGKILL');
  },
);
