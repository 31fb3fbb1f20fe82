/** The end of a process, designed: on a signal its phases run in order, each within its own deadline, and then it exits. */
import { errorFields, type Logger } from './logger.js';

export interface Phase {
  name: string;
  deadlineMs: number;
  run(): Promise<void>;
}

/**
 * Runs the phases once, on SIGTERM, SIGINT, SIGHUP, or when the process that started this one is gone. A phase that fails or
 * passes its deadline is logged and left behind. Exits with 0 when all phases ended in time, with 1 otherwise.
 * @param phases what there is to stop at that moment; nothing while the process still starts
 */
export function shutdownOnSignal(log: Logger, phases: () => readonly Phase[]): void {
  let begun = false;
  const begin = (reason: string) => {
    if (begun) return;
    begun = true;
    log.info('stopping', { reason });
    runPhases(log, phases()).then((clean) => {
      log.info('stopped', { clean });
      process.exitCode = clean ? 0 : 1;
      // Handles that a phase left behind must not keep the process: what it promised is an end within a bound.
      log.once('finish', () => process.exit());
      log.end();
    });
  };
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP']) process.on(signal, () => begin(signal));
  if (process.send !== undefined) {
    process.on('disconnect', () => begin('parent gone'));
    if (!process.connected) begin('parent gone');
  }
}

async function runPhases(log: Logger, phases: readonly Phase[]): Promise<boolean> {
  let clean = true;
  for (const phase of phases) {
    try {
      await withDeadline(phase);
    } catch (error) {
      clean = false;
      log.error('a phase of the stop failed', { phase: phase.name, ...errorFields(error) });
    }
  }
  return clean;
}

async function withDeadline({ run, deadlineMs }: Phase): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const deadline = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not done after ${deadlineMs} ms`)), deadlineMs);
  });
  try {
    await Promise.race([run(), deadline]);
  } finally {
    clearTimeout(timer);
  }
}
