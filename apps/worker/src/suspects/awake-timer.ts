/**
 * A time limit that counts only while this process is awake. When a process that was stopped, or whose machine slept, goes
 * on, its timers are due before it has read what arrived meanwhile: by the clock alone, whoever has answered would be late.
 */

/** The limit is counted in so many parts. */
const TICKS = 10;
/** A tick that comes so many times its length after the last one has slept, and does not count. */
const SLEPT = 2;
/** Timers count in whole milliseconds. */
const TIMER_PRECISION_MS = 2;

/** @param ms awake @returns what cancels it */
export function awakeTimeout(ms: number, onTime: () => void): () => void {
  const tickMs = ms / TICKS;
  let left = TICKS;
  let lastAt = performance.now();
  const timer = setInterval(() => {
    const now = performance.now();
    if (now - lastAt < SLEPT * tickMs + TIMER_PRECISION_MS) left--;
    lastAt = now;
    if (left > 0) return;
    clearInterval(timer);
    onTime();
  }, tickMs);
  return () => clearInterval(timer);
}
