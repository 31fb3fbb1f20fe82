/**
 * The process that proves versions for a worker: what crashes or never ends here harms nobody. The proof runs in a thread,
 * so that the process hears of the end of its worker though the proof does not come back.
 */
import { once } from 'node:events';
import { isMainThread, type MessagePort, parentPort, Worker } from 'node:worker_threads';
import { type Candidate, prove } from './prove.js';
import type { ProverReply } from './prover.js';

if (isMainThread) {
  process.on('disconnect', end);
  // The worker may have gone while this process started.
  if (!process.connected) end();
  const thread = new Worker(new URL(import.meta.url));
  process.on('message', async (candidate: Candidate) => {
    thread.postMessage(candidate);
    const [reply] = await once(thread, 'message');
    process.send?.(reply);
  });
} else {
  const port = parentPort as MessagePort;
  port.on('message', async (candidate: Candidate) => port.postMessage(await replyTo(candidate)));
}

/** Nothing less ends a thread that is in the middle of a run. */
function end(): void {
  process.kill(process.pid, 'SIGKILL');
}

async function replyTo(candidate: Candidate): Promise<ProverReply> {
  try {
    return { ok: true, proof: await prove(candidate) };
  } catch (error) {
    return { ok: false, message: error instanceof Error ? error.message : String(error) };
  }
}
