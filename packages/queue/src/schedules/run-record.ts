/** The records of schedules and runs as they are read from their hashes. */
import type { Ledger } from '@millrace/batch/ledger';
import { RUN_STATUSES, type Run, TRIGGERS, type Written } from '@millrace/schedule/run';
import type { Schedule } from '@millrace/schedule/schedule';
import { z } from 'zod';

const Count = z.string().min(1).transform(Number).pipe(z.number());
const json = <T>() => z.string().transform((text) => JSON.parse(text) as T);

/** Checked when it came in. */
const Definition = json<Schedule>();

const RunRecord = z.object({
  logical_date: z.string(),
  status: z.enum(RUN_STATUSES),
  trigger: z.enum(TRIGGERS),
  client: z.string(),
  due_at: Count,
  created_at: Count,
  started_at: Count.optional(),
  finished_at: Count.optional(),
  late_at: Count.optional(),
  attempt: Count,
  definition: Definition,
  model: z.string().optional(),
  task: z.string().optional(),
  accepted: z.string().optional(),
  rows: json<Ledger>().optional(),
  written_rows: Count.prefault('0'),
  written: json<Written>().optional(),
  cancel: z.string().optional(),
  error_code: z.string().optional(),
  error_message: z.string().optional(),
});

/** A run with what is needed to make it. */
export interface RecordedRun extends Run {
  /** As the schedule was when the run was made. */
  definition: Schedule;
  /** All rows of the task are in the queue; before that, the task may be one that came to nothing. */
  isAccepted: boolean;
  /** Why it is to be cancelled. */
  cancel?: string;
}

/** @throws ZodError when the hash is no record of a run */
export function parseRun(hash: Record<string, string>): RecordedRun {
  const record = RunRecord.parse(hash);
  const { definition, error_code: code, error_message: message = '' } = record;
  return {
    schedule: definition.name,
    logicalDate: record.logical_date,
    status: record.status,
    trigger: record.trigger,
    client: record.client,
    dueAt: record.due_at,
    createdAt: record.created_at,
    attempt: record.attempt,
    writtenRows: record.written_rows,
    definition,
    isAccepted: record.accepted !== undefined && record.accepted === record.task,
    ...given('startedAt', record.started_at),
    ...given('finishedAt', record.finished_at),
    ...given('lateAt', record.late_at),
    ...given('model', record.model),
    ...given('taskId', record.task),
    ...given('ledger', record.rows),
    ...given('written', record.written),
    ...given('cancel', record.cancel),
    ...(code === undefined ? {} : { error: { code, message } }),
  };
}

function given<Name extends string, Value>(name: Name, value: Value | undefined): { [name in Name]?: Value } {
  return value === undefined ? {} : ({ [name]: value } as { [name in Name]: Value });
}

const ScheduleRecord = z.object({
  definition: Definition,
  client: z.string(),
  origin: z.enum(['api', 'file']),
  revision: Count,
  watermark: z.string(),
  created_at: Count,
  updated_at: Count,
});

export interface RecordedSchedule {
  definition: Schedule;
  client: string;
  /** Where it was defined: by a request, or by a file, which wins. */
  origin: 'api' | 'file';
  /** Counts the definitions that it has had. */
  revision: number;
  /** Up to where its dates have been dealt with, as it is recorded. */
  watermark: string;
  /** Milliseconds since the epoch. */
  createdAt: number;
  updatedAt: number;
}

/** @throws ZodError when the hash is no record of a schedule */
export function parseScheduleRecord(hash: Record<string, string>): RecordedSchedule {
  const { created_at: createdAt, updated_at: updatedAt, ...record } = ScheduleRecord.parse(hash);
  return { ...record, createdAt, updatedAt };
}
