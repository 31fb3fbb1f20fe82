/** Where the results of a run go. */
import { didYouMean } from '@millrace/batch/did-you-mean';
import { record, strict } from '@millrace/batch/manifest/strict';
import { describe } from '@millrace/batch/rows/describe';
import { z } from 'zod';
import { addProblem, byKind, mustBe, oneOf, template, text } from './field.js';
import { SINK_FORMATS, sinkFormatOf } from './format-of-path.js';
import { Bucket, ConnectionName, ObjectKey } from './place.js';

const FORMAT = oneOf(SINK_FORMATS).optional().describe('Left out, the extension tells.');
const OUTPUTS = oneOf(['default', 'primary', 'all'])
  .optional()
  .describe('Which outputs a prediction shows, as of a download; left out, default.');

const NO_MANIFEST = 'must not end in .manifest.json, which is the name of what stands beside a result';

const FileSink = strict({
  kind: z.literal('file'),
  path: template('a path such as data/results/{logical_date}.ndjson')
    .refine((path) => !/[*?]/.test(path), 'must be one path, without * or ?')
    .refine(isNoManifest, NO_MANIFEST),
  format: FORMAT,
  outputs: OUTPUTS,
}).superRefine(({ path, format }, context) => tellsFormat(path, format, context));
export type FileSink = z.infer<typeof FileSink>;

const S3Sink = strict({
  kind: z.literal('s3'),
  connection: ConnectionName,
  bucket: Bucket,
  key: ObjectKey.refine(isNoManifest, NO_MANIFEST),
  format: FORMAT,
  outputs: OUTPUTS,
}).superRefine(({ key, format }, context) => tellsFormat(key, format, context));
export type S3Sink = z.infer<typeof S3Sink>;

/** What a column of a table may take from a result, besides `prediction.<output>`. */
export const RESULT_PATHS = [
  'row',
  'id',
  'prediction',
  'error.code',
  'error.message',
  'logical_date',
  'schedule',
  'task_id',
  'model',
] as const;

const ResultPath = z
  .string(mustBe('a text'))
  .superRefine((path, context) => addProblem(context, resultPathProblem(path)));

const Identifier = text('the name of a column, at most 63 characters', /^[^\0]{1,63}$/u);

const PostgresqlSink = strict({
  kind: z.literal('postgresql'),
  connection: ConnectionName,
  table: text('a table such as results or public.results', /^[^.\0]{1,63}(?:\.[^.\0]{1,63})?$/u),
  columns: record(Identifier, ResultPath)
    .meta({ type: 'object', additionalProperties: { type: 'string' } })
    .describe('What each column of the table takes from a result.'),
  key: z
    .array(Identifier)
    .min(1, 'must name at least one column')
    .describe('The columns that tell results apart; what the table has under the same key is replaced.'),
}).superRefine(({ columns, key }, context) => {
  key.forEach((column, index) => {
    const message = keyProblem(column, key.indexOf(column) < index, Object.keys(columns));
    if (message !== undefined) context.addIssue({ code: 'custom', path: ['key', index], message });
  });
});
export type PostgresqlSink = z.infer<typeof PostgresqlSink>;

const WebhookSink = strict({ kind: z.literal('webhook'), connection: ConnectionName });
export type WebhookSink = z.infer<typeof WebhookSink>;

export const Sink = byKind([FileSink, S3Sink, PostgresqlSink, WebhookSink]);
export type Sink = z.infer<typeof Sink>;

function isNoManifest(path: string): boolean {
  return !/\.manifest\.json$/i.test(path);
}

function resultPathProblem(path: string): string | undefined {
  if ((RESULT_PATHS as readonly string[]).includes(path) || /^prediction\../.test(path)) return undefined;
  return `must be ${RESULT_PATHS.join(', ')} or prediction.<output>, not ${describe(path)}${didYouMean(path, RESULT_PATHS)}`;
}

function keyProblem(column: string, isRepeated: boolean, columns: readonly string[]): string | undefined {
  if (isRepeated) return `names "${column}" twice`;
  if (columns.includes(column)) return undefined;
  return `"${column}" is none of the columns${didYouMean(column, columns)}`;
}

function tellsFormat(path: string, format: string | undefined, context: z.RefinementCtx): void {
  if (format !== undefined || sinkFormatOf(path) !== undefined) return;
  const message = `is missing, and ${JSON.stringify(path)} does not tell it; must be ndjson or csv`;
  context.addIssue({ code: 'custom', path: ['format'], message });
}
