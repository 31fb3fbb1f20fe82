/**
 * The process for a suspect chunk, and its watch: it computes in a thread of its own, so that what never ends there does
 * not keep it from ending with its worker.
 */
import { writeFile } from 'node:fs/promises';
import { Worker } from 'node:worker_threads';
import type { SuspectReply, SuspectRequest } from './messages.js';

// Its worker alone ends it: what a terminal or a service manager sends to all would look like the doing of a row.
for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => {});
// Where memory runs out, Linux is to take it from this process and not from the worker.
await writeFile('/proc/self/oom_score_adj', '1000').catch(() => {});

const thread = new Worker(new URL('./suspect-thread.js', import.meta.url));
thread.on('message', (reply: SuspectReply) => process.send?.(reply, () => {}));
thread.on('error', () => end());
process.on('message', (request: SuspectRequest) => thread.postMessage(request));
process.on('disconnect', end);
if (!process.connected) end();

/** `process.exit` would wait for the thread, which may be stuck in native code. */
function end(): void {
  process.kill(process.pid, 'SIGKILL');
}
