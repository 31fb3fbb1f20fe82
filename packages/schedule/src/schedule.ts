/**
 * A schedule: which model predicts which rows when, and where the results go. `ScheduleFile` is what a file or a request may
 * hold, `Schedule` the same with nothing left out.
 */
import { joinProblems, listProblems, type Problem, record, strict } from '@millrace/batch/manifest/strict';
import { parseModelRef } from '@millrace/batch/model';
import { z } from 'zod';
import { CronTimes } from './cron-times.js';
import { addProblem, fallbackMessage, mustBe, oneOf, text, wholeNumber } from './field.js';
import { ConnectionName } from './place.js';
import { ScheduleError } from './schedule-error.js';
import { Sink } from './sink-definition.js';
import { Source } from './source-definition.js';
import { zoneProblem } from './zone-clock.js';

const WEEK_SECONDS = 7 * 86_400;
const METADATA_BYTES_MAX = 4096;

export const ScheduleName = text(
  'a name of lower-case letters, digits, - and _, at most 63, that begins with a letter or a digit',
  /^[a-z0-9][a-z0-9_-]{0,62}$/,
);

export const ScheduleFile = strict({
  $schema: z.string().optional().describe('The JSON Schema of this file, for editors.'),
  name: ScheduleName,
  model: z
    .string(mustBe('a model such as iris, iris@2 or iris@champion'))
    .refine(
      (model) => parseModelRef(model) !== undefined,
      mustBe('a model such as iris, iris@2 or iris@champion'),
    )
    .describe('A model, a version, or an alias; the version is pinned when a run begins.'),
  source: Source,
  sink: Sink,
  cron: z
    .string(mustBe('a cron such as "30 2 * * *"'))
    .max(256, 'must be at most 256 characters long')
    .superRefine((cron, context) => addProblem(context, cronProblem(cron)))
    .describe('Minute, hour, day of the month, month, day of the week; or six fields, with seconds first.'),
  timezone: z
    .string(mustBe('an IANA time zone such as UTC or Europe/Berlin'))
    .superRefine((zone, context) => addProblem(context, zoneProblem(zone)))
    .default('UTC'),
  catch_up: oneOf(['none', 'latest', 'all'])
    .default('latest')
    .describe('Which of the dates that were found too late are run all the same.'),
  overlap: oneOf(['skip', 'queue', 'cancel_previous'])
    .default('skip')
    .describe('What becomes of a run that is due while another one of the schedule is under way.'),
  start_deadline: wholeNumber('seconds', 1, WEEK_SECONDS)
    .default(600)
    .describe('Seconds after it is due by which a run should have begun.'),
  expires_in: wholeNumber('seconds', 1, WEEK_SECONDS)
    .optional()
    .describe('Seconds after which rows without a prediction expire.'),
  enabled: z.boolean().default(true),
  client: z
    .string()
    .min(1, 'is empty')
    .max(255, 'must be at most 255 characters long')
    .default('anonymous')
    .describe('Whose tasks the runs are.'),
  alarms: strict({
    connection: ConnectionName.optional().describe('A webhook connection.'),
    error_share: z
      .number(mustBe('a number from 0 to 1'))
      .min(0, mustBe('a number from 0 to 1'))
      .max(1, mustBe('a number from 0 to 1'))
      .optional()
      .describe('The share of rows without a prediction above which there is an alarm.'),
  }).optional(),
  metadata: record(z.string(), z.unknown())
    .refine(
      (metadata) => new TextEncoder().encode(JSON.stringify(metadata)).length <= METADATA_BYTES_MAX,
      `must be at most ${METADATA_BYTES_MAX} bytes as JSON`,
    )
    .meta({ type: 'object' })
    .default({}),
});

export type Schedule = Omit<z.output<typeof ScheduleFile>, '$schema'>;

/** Reads the contents of a file; throws a ScheduleError `invalid_schedule` with every problem. */
export function parseSchedule(value: unknown): Schedule {
  const parsed = ScheduleFile.safeParse(value, { reportInput: true, error: fallbackMessage });
  if (!parsed.success) throw invalidSchedule(listProblems(parsed.error));
  const { $schema: _, ...schedule } = parsed.data;
  const { source, sink } = schedule;
  if (source.kind === 'file' && sink.kind === 'file' && source.path === sink.path) {
    const message = 'must be another path than that of the source, which it would replace';
    throw invalidSchedule([{ field: 'sink.path', message }]);
  }
  return schedule;
}

/** Reads the body of a request of a client, whose the schedule then is; throws as `parseSchedule`. */
export function parseScheduleOf(client: string, value: unknown): Schedule {
  const schedule = parseSchedule(
    typeof value === 'object' && value !== null && !('client' in value) ? { ...value, client } : value,
  );
  if (schedule.client === client) return schedule;
  const message = `must be ${JSON.stringify(client)}, whose request this is, or left out; only files name others`;
  throw invalidSchedule([{ field: 'client', message }]);
}

function invalidSchedule(problems: readonly Problem[]): ScheduleError {
  return new ScheduleError('invalid_schedule', joinProblems(problems), problems);
}

function cronProblem(cron: string): string | undefined {
  try {
    new CronTimes(cron, 'UTC');
    return undefined;
  } catch (error) {
    if (error instanceof RangeError) return error.message;
    throw error;
  }
}
