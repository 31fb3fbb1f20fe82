/** What a scheduler counts. */
import { ALARM_TYPES, type AlarmType } from '@millrace/queue/schedules/alarm';
import type { RunStatus } from '@millrace/schedule/run';
import { Counter, Histogram, type Registry } from 'prom-client';

const RUN_SECONDS = [1, 5, 15, 60, 300, 900, 3_600, 4 * 3_600, 12 * 3_600];

export class SchedulerMetrics {
  private readonly runs: Counter<'schedule' | 'status'>;
  private readonly seconds: Histogram<'schedule'>;
  private readonly alarms: Counter<'schedule' | 'type'>;
  private readonly ticks: Counter;
  private readonly mends: Counter;

  constructor(registry: Registry) {
    const registers = [registry];
    this.runs = new Counter({
      name: 'millrace_runs_total',
      help: 'Runs of schedules by what they have come to: those that this process has ended, skipped or found missed.',
      labelNames: ['schedule', 'status'],
      registers,
    });
    this.seconds = new Histogram({
      name: 'millrace_run_seconds',
      help: 'Seconds from the beginning of a run to its end.',
      labelNames: ['schedule'],
      buckets: RUN_SECONDS,
      registers,
    });
    this.alarms = new Counter({
      name: 'millrace_alarms_total',
      help: `Alarms of schedules by type: ${ALARM_TYPES.join(', ')}.`,
      labelNames: ['schedule', 'type'],
      registers,
    });
    this.ticks = new Counter({
      name: 'millrace_ticks_total',
      help: 'How often this process has looked for runs that are due.',
      registers,
    });
    this.mends = new Counter({
      name: 'millrace_ticks_mended_total',
      help: 'How often nobody had looked for so long that this process did so unasked, and made the ticks anew.',
      registers,
    });
  }

  /** @param seconds from its beginning; undefined of one that never began */
  runEnded(schedule: string, status: RunStatus, seconds?: number): void {
    this.runs.inc({ schedule, status });
    if (seconds !== undefined) this.seconds.observe({ schedule }, seconds);
  }

  alarm(schedule: string, type: AlarmType): void {
    this.alarms.inc({ schedule, type });
  }

  ticked(): void {
    this.ticks.inc();
  }

  ticksMended(): void {
    this.mends.inc();
  }
}
