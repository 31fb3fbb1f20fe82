/**
 * Ticks when BullMQ brings none: its scheduler is only the ticker, and is known to have stopped, vanished or come late. Every
 * process watches, and the first to notice ticks itself and makes the ticker anew.
 */
import type { ScheduleStore } from '@millrace/queue/schedules/schedule-store';

/** Ticks that may be lost before it is noticed. */
export const LOST_TICKS_MAX = 5;

export interface TickWatchDeps {
  schedules: ScheduleStore;
  tickMs: number;
  tick(): Promise<void>;
  ensureTicks(): Promise<void>;
  /** Nobody had ticked for so many milliseconds. */
  onMend(silentMs: number): void;
  /** Milliseconds since the epoch. */
  now(): number;
}

/** Looks when the last tick was, and does what there is to do when that is too long ago. */
export async function watchTicks(deps: TickWatchDeps): Promise<void> {
  const { schedules, tickMs, tick, ensureTicks, onMend, now } = deps;
  const silentMs = now() - (await schedules.lastTick());
  // One that was noted by a clock ahead of this one says nothing.
  if (silentMs >= -tickMs && silentMs <= tickMs * LOST_TICKS_MAX) return;
  onMend(silentMs);
  await ensureTicks();
  await tick();
}
