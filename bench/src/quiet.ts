/** Waits until nobody else is busy: what is measured beside others says little. */
import { setTimeout as delay } from 'node:timers/promises';

/** Processes that wanted a core in the last minute; a machine that does nothing else has a few tenths. */
export const QUIET_BELOW = 0.5;

const WAIT_MS = 120_000;
const LOOK_MS = 2_000;

export interface QuietOptions {
  /** The load of the last minute. */
  load(): number;
  signal: AbortSignal;
  waitMs?: number;
  lookMs?: number;
}

/** Resolves when the load is low, at the latest after two minutes, or when the signal comes. */
export async function untilQuiet({
  load,
  signal,
  waitMs = WAIT_MS,
  lookMs = LOOK_MS,
}: QuietOptions): Promise<void> {
  const end = performance.now() + waitMs;
  while (load() >= QUIET_BELOW && performance.now() < end && !signal.aborted) {
    await delay(lookMs, undefined, { signal }).catch(() => {});
  }
}
