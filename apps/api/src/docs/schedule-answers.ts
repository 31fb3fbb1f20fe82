/** What the API answers about schedules and their runs, as schemas: the views that `apps/api/src/schedules` builds. */
import { ALARM_TYPES, Delivery } from '@millrace/queue/schedules/alarm';
import { RUN_STATUSES, TRIGGERS } from '@millrace/schedule/run';
import { ScheduleFile } from '@millrace/schedule/schedule';
import { z } from 'zod';
import { OUTCOMES } from '../schedules/backfill.js';
import { COUNT, LedgerRows, TIME } from './answers.js';

const LogicalDate = z.string().meta({
  description:
    'Identifies a run within its schedule: `2026-11-20` when the cron names one time of day, `2026-11-20T14:30` (local) when it names several, `2026-11-20T13:30:00Z` when it names instants or the run was made by hand.',
  examples: ['2026-11-20'],
});

const WaitingFor = z.string().optional().describe('Why nothing moves: no scheduler process is running.');

export const Run = z.object({
  schedule: z.string(),
  logical_date: LogicalDate,
  status: z
    .enum(RUN_STATUSES)
    .describe(
      '`skipped`: another run of the schedule was under way (`overlap`). `missed`: it was found too late (`catch_up`).',
    ),
  trigger: z
    .enum(TRIGGERS)
    .describe('What has made it; `catch_up`: the clock, later than it should have been.'),
  due_at: TIME,
  created_at: TIME,
  started_at: TIME,
  finished_at: TIME,
  attempt: COUNT.describe('How many processes have taken it up so far.'),
  model: z.string().optional().describe('The version that was pinned when the run began, `name@version`.'),
  task_id: z.string().optional().describe('The task that predicts its rows; `/batch-result/{id}` has it.'),
  rows: LedgerRows.optional(),
  written_rows: COUNT.describe('Rows that the sink is known to hold.'),
  written: z
    .object({ location: z.string(), rows: COUNT, bytes: COUNT, sha256: z.string().optional() })
    .optional()
    .describe('What the sink has.'),
  error: z
    .object({ code: z.string(), message: z.string() })
    .optional()
    .describe('Why it came to nothing, was skipped or missed.'),
  cancel_requested: z.literal(true).optional().describe('It is to end as cancelled.'),
  waiting_for: WaitingFor,
});

export const RunList = z.object({
  runs: z.array(Run).describe('By when they are due, the latest first.'),
  next: LogicalDate.optional().describe('What to ask with next, as `before`; absent on the last page.'),
});

const { $schema: _, ...fields } = ScheduleFile.shape;

export const Schedule = z.object({
  ...fields,
  origin: z.enum(['api', 'file']).describe('Where it was defined. A file wins over requests.'),
  revision: COUNT.nullable().describe('Counts its definitions; null with `validate_only=true`.'),
  created_at: TIME,
  updated_at: TIME,
  waiting_for: WaitingFor,
  model_problem: z
    .string()
    .optional()
    .describe('Why its model cannot be asked now; a worker that serves it may come later.'),
  next_runs: z
    .array(
      z.object({
        logical_date: LogicalDate,
        local: z.string().describe('What the clock shows then, with its distance from UTC.'),
        utc: z.string().meta({ format: 'date-time' }),
        note: z.string().optional().describe('What a change of the clocks does to it.'),
      }),
    )
    .describe('When it is next due, five times; none of them is run while `enabled` is false.'),
  last_run: Run.nullable().describe('The last run that is due by now.'),
});

export const ScheduleList = z.object({ schedules: z.array(Schedule).describe('By name.') });

export const Backfill = z.object({
  created: COUNT.describe('Runs that were made.'),
  again: COUNT.describe('Runs that had failed, been cancelled, skipped or missed, and are made once more.'),
  existing: COUNT.describe('Runs that stay as they are.'),
  waiting_for: WaitingFor,
  runs: z
    .array(z.object({ logical_date: LogicalDate, outcome: z.enum(OUTCOMES) }))
    .describe('The dates of the range that are due by now, in order.'),
});

export const DeliveryList = z.object({
  deliveries: z
    .array(z.object({ ...Delivery.shape, type: z.enum(ALARM_TYPES), at: TIME }))
    .describe('The latest first, at most 200.'),
});
