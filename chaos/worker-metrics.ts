/** What a worker counts of its runs. */
import type { PlatformProcess } from '@millrace/local/platform-process';

const BOUND_MS = 2_000;

/** Runs of chunks that found their chunk done or their task ended, and changed nothing; 0 when the worker does not say. */
export async function overtakenRuns({ ready, child }: PlatformProcess): Promise<number> {
  if (child.exitCode !== null || child.signalCode !== null) return 0;
  try {
    const bound = AbortSignal.timeout(BOUND_MS);
    const isLate = new Promise<never>((_, reject) => {
      bound.addEventListener('abort', () => reject(new Error('the worker is not ready')));
    });
    const { port } = await Promise.race([ready, isLate]);
    const response = await fetch(`http://127.0.0.1:${port}/metrics`, { signal: bound });
    const counts = (await response.text()).matchAll(
      /^millrace_chunks_total\{outcome="(?:repeated|gone)"\} (\d+)$/gm,
    );
    return [...counts].reduce((sum, [, count]) => sum + Number(count), 0);
  } catch {
    return 0;
  }
}
