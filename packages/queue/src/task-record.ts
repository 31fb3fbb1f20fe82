/** The task record as it is read from its hash. */
import type { RequestCode, RowCode } from '@millrace/batch/errors';
import { OUTCOMES } from '@millrace/batch/ledger';
import { STATUSES } from '@millrace/batch/status';
import { STEPS, type Step, type StepSeconds } from '@millrace/batch/step-seconds';
import { CHUNK_FORMATS, type ErrorCounts, type Task } from '@millrace/batch/task';
import { z } from 'zod';
import { codeOfErrorCount } from './scripts/error-groups.js';

/** Of the task hash: how long the chunks of a task have spent in a step. */
const microsecondsField = <S extends Step>(step: S): `us:${S}` => `us:${step}`;

const Count = z.string().min(1).transform(Number).pipe(z.number());

const Columns = z.array(z.union([z.number(), z.tuple([z.number(), z.number()]), z.literal('id')]));
/** What CSV columns hold, as it is recorded. */
export const ColumnsJson = z.string().transform((json) => Columns.parse(JSON.parse(json)));

const TaskRecord = z.object({
  id: z.string(),
  client: z.string(),
  model: z.string(),
  fingerprint: z.string(),
  format: z.enum(CHUNK_FORMATS),
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
  input_bytes: Count.prefault('0'),
  result_bytes: Count.prefault('0'),
  total: Count,
  ...(Object.fromEntries(OUTCOMES.map((outcome) => [outcome, Count])) as Record<
    (typeof OUTCOMES)[number],
    typeof Count
  >),
  ...(Object.fromEntries(STEPS.map((step) => [microsecondsField(step), Count.optional()])) as Record<
    `us:${Step}`,
    z.ZodOptional<typeof Count>
  >),
  columns: ColumnsJson.optional(),
  retry_of: z.string().optional(),
  retry_depth: Count.prefault('0'),
  retried_by: z.string().optional(),
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
    errorCounts: record.error_code === undefined ? errorCounts(hash, { cancelled, expired }) : {},
    retryDepth: record.retry_depth,
    chunks: record.chunks,
    inputBytes: record.input_bytes,
    resultBytes: record.result_bytes,
    createdAt: record.created_at,
  };
  if (record['us:commit'] !== undefined) task.seconds = secondsOf(record);
  if (record.started_at !== undefined) task.startedAt = record.started_at;
  if (record.finished_at !== undefined) task.finishedAt = record.finished_at;
  if (record.expires_at !== undefined) task.expiresAt = record.expires_at;
  if (record.deadline_at !== undefined) task.deadlineAt = record.deadline_at;
  if (record.erased_at !== undefined) task.erasedAt = record.erased_at;
  if (record.columns !== undefined) task.columns = record.columns;
  if (record.retry_of !== undefined) task.retryOf = record.retry_of;
  if (record.retried_by !== undefined) task.retriedBy = record.retried_by;
  if (record.error_code !== undefined) {
    task.error = { code: record.error_code as RequestCode, message: record.error_message ?? '' };
  }
  return task;
}

function secondsOf(record: z.infer<typeof TaskRecord>): StepSeconds {
  const seconds = STEPS.map((step) => [step, (record[microsecondsField(step)] ?? 0) / 1e6]);
  return Object.fromEntries(seconds) as StepSeconds;
}

/** By code, in the order of their names. Those of halted rows are outcomes in the ledger; the others were counted by the commits. */
function errorCounts(hash: Record<string, string>, halted: ErrorCounts): ErrorCounts {
  const counted = Object.entries(hash).flatMap(([field, count]): [RowCode, number][] => {
    const code = codeOfErrorCount(field);
    return code === undefined ? [] : [[code, Number(count)]];
  });
  const found = [...counted, ...Object.entries(halted)].filter(([, count]) => count > 0);
  return Object.fromEntries(found.sort(([a], [b]) => (a < b ? -1 : 1)));
}
