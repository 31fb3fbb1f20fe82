/** The task record as it is read from its hash. */
import type { RequestCode } from '@millrace/batch/errors';
import { OUTCOMES } from '@millrace/batch/ledger';
import { STATUSES } from '@millrace/batch/status';
import type { Task } from '@millrace/batch/task';
import { z } from 'zod';

const Count = z.string().min(1).transform(Number).pipe(z.number());

const TaskRecord = z.object({
  id: z.string(),
  client: z.string(),
  model: z.string(),
  fingerprint: z.string(),
  format: z.enum(['ndjson', 'csv']),
  request_id: z.string(),
  status: z.enum(STATUSES),
  created_at: Count,
  started_at: Count.optional(),
  finished_at: Count.optional(),
  expires_at: Count.optional(),
  deadline_at: Count.optional(),
  erased_at: Count.optional(),
  pool: z.string(),
  chunks: Count,
  total: Count,
  ...(Object.fromEntries(OUTCOMES.map((outcome) => [outcome, Count])) as Record<
    (typeof OUTCOMES)[number],
    typeof Count
  >),
  error_code: z.string().optional(),
  error_message: z.string().optional(),
});

/** @throws ZodError when the hash is no task record */
export function parseTask(hash: Record<string, string>): Task {
  const record = TaskRecord.parse(hash);
  const { total, pending, running, succeeded, invalid, failed, cancelled, expired } = record;
  const task: Task = {
    id: record.id,
    client: record.client,
    model: record.model,
    fingerprint: record.fingerprint,
    pool: record.pool,
    format: record.format,
    requestId: record.request_id,
    status: record.status,
    ledger: { total, pending, running, succeeded, invalid, failed, cancelled, expired },
    chunks: record.chunks,
    createdAt: record.created_at,
  };
  if (record.started_at !== undefined) task.startedAt = record.started_at;
  if (record.finished_at !== undefined) task.finishedAt = record.finished_at;
  if (record.expires_at !== undefined) task.expiresAt = record.expires_at;
  if (record.deadline_at !== undefined) task.deadlineAt = record.deadline_at;
  if (record.erased_at !== undefined) task.erasedAt = record.erased_at;
  if (record.error_code !== undefined) {
    task.error = { code: record.error_code as RequestCode, message: record.error_message ?? '' };
  }
  return task;
}
