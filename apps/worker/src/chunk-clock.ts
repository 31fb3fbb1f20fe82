/** A chunk clock is responsible for where the time of one run of a chunk goes: from being queued to being committed, without gaps. */
import type { StepSeconds } from '@millrace/batch/step-seconds';
import type { ChunkTimes } from '@millrace/queue/task-store';
import type { ComputeTimes } from './inference/messages.js';
import { monotonicMs } from './monotonic.js';

export class ChunkClock {
  private readonly queuedAt: number;
  /** When Redis said what time it is, by our clock and by its own. */
  private begun: { at: number; serverUs: number } | undefined;
  private computed: ComputeTimes;

  /** @param waitedMs since the chunk was queued */
  constructor(waitedMs: number) {
    const now = monotonicMs();
    this.queuedAt = now - Math.max(0, waitedMs);
    this.computed = { startedAt: now, decodedAt: now, inferredAt: now, encodedAt: now };
  }

  /**
   * @param askedAt when Redis was asked to begin the chunk, by `monotonicMs`: it did so half-way between that and now
   * @param serverUs when that was by its clock, in microseconds
   */
  begin(askedAt: number, serverUs: number): void {
    this.begun = { at: (askedAt + monotonicMs()) / 2, serverUs };
  }

  /** @param times left out for a chunk of which nothing was computed: all of its time until now was waiting */
  compute(times?: ComputeTimes): void {
    const now = monotonicMs();
    this.computed = times ?? { startedAt: now, decodedAt: now, inferredAt: now, encodedAt: now };
  }

  /** What is known before the commit; undefined for a chunk that was not begun. */
  get times(): ChunkTimes | undefined {
    if (this.begun === undefined) return undefined;
    const { at, serverUs } = this.begun;
    return { seconds: this.seconds, encodedAt: serverUs + (this.computed.encodedAt - at) * 1000 };
  }

  /** To be called when it is committed. */
  end(): { seconds: StepSeconds; total: number } {
    const now = monotonicMs();
    const commit = (now - this.computed.encodedAt) / 1000;
    return { seconds: { ...this.seconds, commit }, total: (now - this.queuedAt) / 1000 };
  }

  private get seconds(): ChunkTimes['seconds'] {
    const { startedAt, decodedAt, inferredAt, encodedAt } = this.computed;
    return {
      wait: (startedAt - this.queuedAt) / 1000,
      decode: (decodedAt - startedAt) / 1000,
      infer: (inferredAt - decodedAt) / 1000,
      encode: (encodedAt - inferredAt) / 1000,
    };
  }
}
