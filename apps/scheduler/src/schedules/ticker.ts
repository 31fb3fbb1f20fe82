/**
 * The ticker is responsible for what the clock brings: that every date of every schedule gets its run, that runs which may
 * begin are queued, late ones are noticed, and alarms are passed on. Any number of processes may tick at any moment, at once
 * or after hours of silence: what there is to do is read from the records, and done there once.
 */

import { newAlarm } from '@millrace/queue/schedules/alarm';
import type { AlarmStore } from '@millrace/queue/schedules/alarm-store';
import type { RecordedSchedule } from '@millrace/queue/schedules/run-record';
import type { DueRun, RunHead, RunStore } from '@millrace/queue/schedules/run-store';
import { readWatermark, type ScheduleStore, writeWatermark } from '@millrace/queue/schedules/schedule-store';
import { CronTimes } from '@millrace/schedule/cron-times';
import { type Decision, decideDue, type Pass } from '@millrace/schedule/due';
import type { RunStatus } from '@millrace/schedule/run';
import type { TakeAlarm } from '../alarms/take-alarm.js';

export interface TickerDeps {
  schedules: ScheduleStore;
  runs: RunStore;
  alarms: AlarmStore;
  /** Queues a run that may begin, if it is not queued. */
  queueRun(schedule: string, logicalDate: string): Promise<void>;
  /** Ends the task of a run that is to be cancelled. */
  cancelTask(id: string): Promise<void>;
  takeAlarm: TakeAlarm;
  /** Runs were made. @param statuses what has become of each; empty of one that there was already */
  onRuns(schedule: string, due: readonly DueRun[], statuses: readonly (RunStatus | '')[]): void;
  onError(error: unknown, schedule: string): void;
  /** Milliseconds since the epoch. */
  now(): number;
}

/** Schedules that are looked at at once. */
const AT_ONCE = 20;
/** Keys live for 400 days. */
const RENEW_MS = 3_600_000;

/** A schedule as it was last read, and when it is next due. */
interface Known {
  schedule: RecordedSchedule;
  times: CronTimes;
  /** Milliseconds since the epoch; infinity when it is never due. */
  nextAt: number;
}

export class Ticker {
  private readonly known = new Map<string, Known>();
  private renewedAt = 0;

  constructor(private readonly deps: TickerDeps) {}

  async tick(): Promise<void> {
    const { schedules, onError, now } = this.deps;
    const names = await schedules.names();
    for (let start = 0; start < names.length; start += AT_ONCE) {
      const some = names.slice(start, start + AT_ONCE);
      await Promise.all(some.map((name) => this.look(name).catch((error) => onError(error, name))));
    }
    if (now() - this.renewedAt < RENEW_MS) return;
    await schedules.renew(names);
    this.renewedAt = now();
  }

  private async look(name: string): Promise<void> {
    const { schedules, runs, alarms, takeAlarm } = this.deps;
    const known = await this.read(name);
    if (known?.schedule.definition.enabled === true) await this.derive(known);
    const heads = await runs.heads(name);
    for (const head of heads) await this.attend(name, head, known);
    await alarms.drain(name, takeAlarm);
    // One that was removed is looked at until its last run has ended.
    if (known === undefined && heads.length === 0) await schedules.forget(name);
  }

  /** The schedule as it stands; undefined when there is none. */
  private async read(name: string): Promise<Known | undefined> {
    const { schedules } = this.deps;
    const progress = await schedules.progress(name);
    const known = this.known.get(name);
    if (
      known !== undefined &&
      progress?.revision === known.schedule.revision &&
      progress.watermark === known.schedule.watermark
    ) {
      return known;
    }
    const schedule = progress && (await schedules.read(name));
    if (schedule === undefined) {
      this.known.delete(name);
      return undefined;
    }
    return this.remember(schedule, known);
  }

  private remember(schedule: RecordedSchedule, before: Known | undefined): Known {
    const { cron, timezone, name } = schedule.definition;
    const times =
      before?.schedule.revision === schedule.revision ? before.times : new CronTimes(cron, timezone);
    const [next] = times.between(readWatermark(schedule.watermark), Number.POSITIVE_INFINITY, 1);
    const known = { schedule, times, nextAt: next?.dueAt ?? Number.POSITIVE_INFINITY };
    this.known.set(name, known);
    return known;
  }

  /** Makes the runs of all dates that have come. */
  private async derive(found: Known): Promise<void> {
    const now = this.deps.now();
    let known = found;
    let areSeveral = false;
    while (known.nextAt <= now) {
      const { schedule, times } = known;
      const { definition } = schedule;
      const pass = decideDue(times, definition, readWatermark(schedule.watermark), now);
      areSeveral ||= pass.hasMore || pass.decisions.filter(({ isMissed }) => !isMissed).length > 1;
      const lateAfter = now - definition.start_deadline * 1000;
      const due = pass.decisions.map((decision) =>
        dueRun(decision, areSeveral || decision.dueAt < lateAfter),
      );
      const statuses = await this.deps.runs.advance(
        schedule,
        pass.watermark,
        due,
        this.missed(schedule, pass),
      );
      // Somebody else has made them, or the schedule is another one now: the next tick sees it.
      if (statuses === undefined) return;
      this.deps.onRuns(definition.name, due, statuses);
      known = this.remember({ ...schedule, watermark: writeWatermark(pass.watermark) }, known);
    }
  }

  /** One alarm for all of a pass: after a long outage they are many. */
  private missed({ definition }: RecordedSchedule, { decisions }: Pass) {
    const dates = decisions.filter(({ isMissed }) => isMissed).map(({ logicalDate }) => logicalDate);
    const [first] = dates;
    if (first === undefined) return [];
    const [one, runs] = dates.length === 1 ? ['run', 'was'] : [`${dates.length} runs`, 'were'];
    const alarm = {
      type: 'run.missed' as const,
      schedule: definition.name,
      logical_date: first,
      message: `${one} of ${definition.name} from ${first} to ${dates.at(-1)} ${runs} found too late and will not be made (catch_up: ${definition.catch_up})`,
      details: { count: dates.length, first, last: dates.at(-1) },
      ...connectionOf(definition),
    };
    return [newAlarm(alarm, this.deps.now())];
  }

  private async attend(name: string, head: RunHead, known: Known | undefined): Promise<void> {
    const { runs, queueRun, cancelTask, now } = this.deps;
    const { logicalDate, dueAt, taskId } = head;
    if (head.isToBeCancelled && taskId !== undefined) await cancelTask(taskId);
    if (head.mayBegin) await queueRun(name, logicalDate);
    const definition = known?.schedule.definition;
    // What somebody asks for later is not late.
    const isByClock = head.trigger === 'schedule' || head.trigger === 'catch_up';
    if (definition === undefined || !isByClock || head.status !== 'waiting' || head.isKnownAsLate) return;
    if (now() <= dueAt + definition.start_deadline * 1000) return;
    const alarm = {
      type: 'run.late' as const,
      schedule: name,
      logical_date: logicalDate,
      message: `the run ${logicalDate} of ${name} has not begun within ${definition.start_deadline} s after it was due`,
      details: { due_at: new Date(dueAt).toISOString(), start_deadline: definition.start_deadline },
      ...connectionOf(definition),
    };
    await runs.late(name, logicalDate, newAlarm(alarm, now()));
  }
}

/** @param isCatchUp it was found late, or with others: it is made up for when these are done */
function dueRun({ logicalDate, dueAt, isMissed }: Decision, isCatchUp: boolean): DueRun {
  const status = isMissed ? 'missed' : 'waiting';
  return { logicalDate, dueAt, status, trigger: isCatchUp ? 'catch_up' : 'schedule' };
}

function connectionOf({ alarms }: RecordedSchedule['definition']): { connection?: string } {
  return alarms?.connection === undefined ? {} : { connection: alarms.connection };
}
