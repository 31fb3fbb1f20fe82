/** One attempt at a run, and how it learns that it is to stop. */
import type { RecordedRun } from '@millrace/queue/schedules/run-record';
import type { RunProgress, RunStore } from '@millrace/queue/schedules/run-store';

/** Another process has taken the run over, or it has ended: what this one does has no effect any more. */
export class OvertakenError extends Error {
  override readonly name = 'OvertakenError';
}

/** Somebody has asked for the end of the run. */
export class RunCancelledError extends Error {
  override readonly name = 'RunCancelledError';
}

/** How soon somebody's wish to end a run is noticed in the middle of its work. */
const LOOK_MS = 1_000;

export class Attempt {
  constructor(
    private readonly runs: RunStore,
    readonly run: RecordedRun,
    /** Aborted when the process stops: the run is handed back as it is. */
    readonly signal: AbortSignal,
  ) {}

  /** Notes how far the run has come. @throws OvertakenError, RunCancelledError, or the signal's reason */
  async note(progress: RunProgress): Promise<void> {
    this.signal.throwIfAborted();
    const reply = await this.runs.note(this.run, progress);
    if (reply === 'ok') return;
    const { schedule, logicalDate, attempt } = this.run;
    const which = `attempt ${attempt} at the run ${logicalDate} of ${schedule}`;
    if (reply === 'lost') throw new OvertakenError(`${which} has been taken over`);
    throw new RunCancelledError(`${which} was cancelled`);
  }

  /**
   * Does a piece of work that notes nothing for a while, and aborts it as soon as the run is another's or is to be cancelled.
   * @throws as `note`, or what the work rejects with
   */
  async watched<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const stop = new AbortController();
    const look = () =>
      this.fence().catch((error) => {
        // An outage is met by the work itself, where it matters.
        if (error instanceof OvertakenError || error instanceof RunCancelledError) stop.abort(error);
      });
    const timer = setInterval(look, LOOK_MS);
    try {
      return await work(AbortSignal.any([this.signal, stop.signal]));
    } catch (error) {
      throw stop.signal.aborted ? stop.signal.reason : error;
    } finally {
      clearInterval(timer);
    }
  }

  /** To be asked before anything becomes visible to others. @throws as `note` */
  async fence(): Promise<void> {
    await this.note({});
  }
}
