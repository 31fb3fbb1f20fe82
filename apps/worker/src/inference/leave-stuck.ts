/** Lets the process exit while threads are stuck in native code: Node would wait for them, for ever if need be. */

const stuck = new Set<object>();

/** From now on, and until it is forgotten, the thread does not keep the process from exiting. */
export function leaveStuck(thread: object): void {
  if (stuck.size === 0) process.on('exit', endNow);
  stuck.add(thread);
}

/** The thread has ended after all. */
export function forgetStuck(thread: object): void {
  stuck.delete(thread);
  if (stuck.size === 0) process.off('exit', endNow);
}

/** Everything that was to be done before the exit has been done. */
function endNow(): void {
  process.kill(process.pid, 'SIGKILL');
}
