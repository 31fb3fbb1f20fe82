/** The scheduler's settings. */
import { integer, PROCESS_SETTINGS } from '@millrace/process/env-types';
import { RedisUrl } from '@millrace/queue/redis-url';
import { SUBMIT_SETTINGS } from '@millrace/tasks/submit-settings';
import { z } from 'zod';

/** Folders, separated by commas. */
const Folders = z.string().transform((text, context) => {
  const folders = text.split(',').map((each) => each.trim());
  if (folders.every((each) => each !== '')) return folders;
  context.addIssue({ code: 'custom', message: 'must be folders, separated by commas' });
  return z.NEVER;
});

export const SchedulerSettings = z.object({
  ...PROCESS_SETTINGS,
  ...SUBMIT_SETTINGS,
  REDIS_URL: RedisUrl,
  /** Where schedules are defined by files. */
  SCHEDULES_DIR: z.string().default('./schedules'),
  SCHEDULES_POLL_MS: integer(100, 3_600_000, 2_000),
  /** What file sources and sinks of schedules may reach. */
  SCHEDULE_FILES: Folders.prefault('./data'),
  /** What schedules may reach besides, and with which secrets; without it, nothing. */
  CONNECTIONS_FILE: z.string().optional(),
  /** How often somebody looks for runs that are due. */
  TICK_MS: integer(100, 60_000, 1_000),
  /** Runs of this process that read their sources or write their sinks at once; others wait. */
  RUNS_AT_ONCE: integer(1, 256, 8),
  /** How long a scheduler that has gone silent keeps its runs. */
  LOCK_MS: integer(500, 600_000, 15_000),
  /** Where health and metrics are served; 0 takes any free port and logs it. */
  SCHEDULER_PORT: integer(0, 65_535, 0),
  SCHEDULER_HOST: z.string().default('127.0.0.1'),
  /** How long a stopping scheduler waits for its runs to hand themselves back. */
  STOP_GRACE_MS: integer(0, 600_000, 15_000),
});
export type SchedulerSettings = z.infer<typeof SchedulerSettings>;
