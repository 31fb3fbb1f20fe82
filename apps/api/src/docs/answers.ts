/** What the API answers, as schemas: the views that `taskView`, `models.ts` and `health.ts` build. A test compares them with real answers. */
import {
  FAILED_ROW_CODES,
  HALTED_ROW_CODES,
  INVALID_ROW_CODES,
  LISTED_ROWS_MAX,
  REQUEST_CODES,
} from '@millrace/batch/errors';
import { OUTCOMES } from '@millrace/batch/ledger';
import { Manifest } from '@millrace/batch/manifest/manifest';
import { Refusal } from '@millrace/batch/model';
import { EXAMPLES_MAX } from '@millrace/batch/results/error-groups';
import { isTerminal, STATUSES } from '@millrace/batch/status';
import { STEPS, type Step } from '@millrace/batch/step-seconds';
import { z } from 'zod';

export const TIME = z.string().meta({ format: 'date-time' }).nullable();
export const COUNT = z.int().min(0);

const TaskId = z.string().meta({ format: 'uuid' });

export const LedgerRows = z
  .object(Object.fromEntries([...OUTCOMES, 'total'].map((name) => [name, COUNT])))
  .meta({
    description: 'Every row under one outcome; they sum to `total` at every poll.',
    examples: [
      { total: 2, pending: 0, running: 0, succeeded: 1, invalid: 1, failed: 0, cancelled: 0, expired: 0 },
    ],
  });

const RowCodes = z.enum([...INVALID_ROW_CODES, ...FAILED_ROW_CODES, ...HALTED_ROW_CODES]);

const ErrorsByCode = z
  .partialRecord(
    RowCodes,
    z.object({
      count: COUNT.describe('Rows with this error.'),
      examples: z
        .array(
          z.object({ row: COUNT, id: z.union([z.string(), z.number()]).optional(), message: z.string() }),
        )
        .max(EXAMPLES_MAX)
        .describe('Those with the lowest row numbers. Of a long message, the beginning.'),
    }),
  )
  .describe(
    'The rows without a prediction so far; the counts sum to `invalid`, `failed`, `cancelled` and `expired`. Absent when the task failed as a whole.',
  );

const SECONDS_BY_STEP = Object.fromEntries(STEPS.map((step) => [step, z.number().min(0)])) as Record<
  Step,
  z.ZodNumber
>;

export const Task = z.object({
  task_id: TaskId,
  status: z.enum(STATUSES),
  model: z.string().meta({
    description: 'The version that was pinned, `name@version`.',
    examples: ['iris@1'],
  }),
  rows: LedgerRows,
  errors_by_code: ErrorsByCode.optional(),
  retry_of: TaskId.optional().describe('The task whose failed, expired and cancelled rows these are.'),
  retries: z
    .array(z.object({ task_id: TaskId, status: z.enum(STATUSES), rows: LedgerRows }))
    .optional()
    .describe(
      'The tasks that were made of rows that had failed, expired or been cancelled, each of those of the one before. The rows of those that have finished have their outcomes here.',
    ),
  created_at: TIME,
  started_at: TIME,
  finished_at: TIME,
  expires_at: TIME.describe('From then on the results are gone.'),
  seconds: z
    .object({ ...SECONDS_BY_STEP, total: z.number().min(0) })
    .optional()
    .describe(
      'Where the time of its chunks went so far, added up: waiting for a worker and a free thread, decoding rows, inference, encoding results, storing them. Chunks run side by side: the total may exceed the time that the task took.',
    ),
  deadline_at: TIME.optional().describe('What is not done by then is expired.'),
  waiting_for: z.string().optional().describe('Why an unfinished task does not move.'),
  error: z
    .object({ code: z.enum(REQUEST_CODES), message: z.string() })
    .optional()
    .describe('Why the task as a whole came to nothing; there are no predictions then.'),
});

export const RowError = z.object({
  row: z.int().min(0).describe('Counts from 0 over the whole task.'),
  id: z.union([z.string(), z.number()]).optional().describe('The name that you gave the row.'),
  code: RowCodes.describe(
    `The row is wrong: ${INVALID_ROW_CODES.join(', ')}. We or the model failed: ${FAILED_ROW_CODES.join(', ')}. The task ended first: ${HALTED_ROW_CODES.join(', ')}.`,
  ),
  message: z.string(),
});

/** What a dry run found. */
export const DryRun = z.object({
  model: z.string().describe('The version that would be pinned.'),
  rows: COUNT,
  valid: COUNT,
  invalid: COUNT,
  would_be_accepted: z.boolean().describe('False when bad rows would refuse the submission.'),
  errors_by_code: z.partialRecord(z.enum(INVALID_ROW_CODES), COUNT),
  errors: z.array(RowError).max(LISTED_ROWS_MAX).describe(`The first ${LISTED_ROWS_MAX} bad rows.`),
  estimate: z
    .object({ rows_per_second: z.number(), seconds: z.number() })
    .nullable()
    .describe('Inference alone, with all threads of the live workers; null while there is none.'),
});

/** A finished task with its predictions. */
export function resultOf(prediction: z.ZodType) {
  return Task.extend({
    status: z.enum(STATUSES.filter(isTerminal)),
    predictions: z
      .array(prediction.nullable())
      .describe('One per row in input order; null where a row has none.'),
    errors: z.array(RowError).describe('Why rows have no prediction, in input order.'),
  });
}

/** @param prediction of one row */
export function pageOf(prediction: z.ZodType) {
  return Task.extend({
    results: z
      .array(
        z.union([
          RowError.pick({ row: true, id: true }).extend({ prediction }),
          RowError.pick({ row: true, id: true }).extend({
            error: RowError.pick({ code: true, message: true }),
          }),
        ]),
      )
      .describe('The finished rows from the cursor on, in input order.'),
    next: z.string().describe('The cursor to ask with next, as `after`.'),
    complete: z.boolean().describe('The task has ended and this was its last page.'),
  });
}

const ModelVersion = z.object({
  model: z.string().describe('`name@version`.'),
  name: z.string(),
  version: z.int(),
  digest: z.string().describe('SHA-256 of the ONNX file, in hex.'),
  workers: COUNT.describe('Live worker processes that serve it.'),
  aliases: z.array(z.string()).describe('Names for this version, to be used as `name@alias`.'),
  doubt: z.string().optional().describe('What is doubtful about it, though it is served.'),
  manifest: Manifest,
  example: z.unknown().describe('A row that is known to work.'),
});

export const ModelList = z.object({
  models: z.array(ModelVersion),
  refused: z.array(Refusal).describe('Versions that a live worker refuses to serve.'),
});

const VersionState = z.object({
  version: z.union([z.int(), z.string()]).nullable(),
  status: z.enum(['served', 'refused']),
  digest: z.string().optional(),
  workers: COUNT.optional(),
  aliases: z.array(z.string()).optional(),
  problem: z.string().optional().describe('Why its files as they are now cannot be served.'),
  reason: z.string().optional().describe('Why it is refused.'),
});

/** The members of a version are absent when no version of the model is served. */
export const Model = ModelVersion.partial().extend({
  name: z.string(),
  versions: z.array(VersionState),
  alias_problems: z
    .array(z.string())
    .optional()
    .describe('Why an alias does not stand for what its file says.'),
  example_request: z
    .object({
      method: z.string(),
      path: z.string(),
      headers: z.record(z.string(), z.string()),
      body: z.array(z.unknown()),
    })
    .optional()
    .describe('A request that works as it stands.'),
  row_schema: z.record(z.string(), z.unknown()).optional().describe('JSON Schema of a row.'),
  prediction_schema: z.record(z.string(), z.unknown()).optional().describe('JSON Schema of a prediction.'),
});

export const Alive = z.object({ status: z.literal('alive') });

export const Ready = z.object({
  status: z.enum(['ready', 'not_ready']),
  problems: z.array(z.string()),
});
