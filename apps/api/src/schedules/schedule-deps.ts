/** What the routes of schedules need. */
import type { Logger } from '@millrace/process/logger';
import type { Catalog } from '@millrace/queue/catalog';
import type { Producer } from '@millrace/queue/producer';
import type { AlarmStore } from '@millrace/queue/schedules/alarm-store';
import type { RunStore } from '@millrace/queue/schedules/run-store';
import type { ScheduleStore } from '@millrace/queue/schedules/schedule-store';
import type { SchedulerBeat } from '@millrace/queue/schedules/scheduler-beat';
import type { TaskStore } from '@millrace/queue/task-store';
import type { Admission } from '@millrace/tasks/admission';

export interface ScheduleDeps {
  schedules: ScheduleStore;
  runs: RunStore;
  alarms: AlarmStore;
  schedulerBeat: SchedulerBeat;
  catalog: Catalog;
  /** Of the tasks that runs make. */
  store: TaskStore;
  producer: Producer;
  admission: Admission;
  log: Logger;
  limits: { maxGzipRatio: number; uploadIdleMs: number };
}
