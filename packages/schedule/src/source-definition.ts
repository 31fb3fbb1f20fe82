/** Where the rows of a run come from. */
import { strict } from '@millrace/batch/manifest/strict';
import { z } from 'zod';
import { addProblem, byKind, mustBe, oneOf, template } from './field.js';
import { SOURCE_FORMATS, sourceFormatOf } from './format-of-path.js';
import { Bucket, ConnectionName, ObjectKey } from './place.js';
import { hasPlaceholder, renderTemplate, templateProblem } from './template.js';

const FORMAT = oneOf(SOURCE_FORMATS).optional();

const FileSource = strict({
  kind: z.literal('file'),
  path: template('a path or a pattern such as data/users-{logical_date}.csv').describe(
    'A path, or a pattern with *, ** and ?; its files are read in sorted order.',
  ),
  format: FORMAT.describe('Left out, the extension tells.'),
}).superRefine(({ path, format }, context) => tellsFormat(path, format, context));
export type FileSource = z.infer<typeof FileSource>;

const HttpSource = strict({
  kind: z.literal('http'),
  url: template('an address such as https://host/users.ndjson?day={logical_date}', 8192)
    .superRefine((url, context) => addProblem(context, urlProblem(url)))
    .describe('Below the url of an http connection, whose headers are sent.'),
  format: FORMAT.describe('Left out, the extension or the Content-Type tells.'),
});
export type HttpSource = z.infer<typeof HttpSource>;

const S3Source = strict({
  kind: z.literal('s3'),
  connection: ConnectionName,
  bucket: Bucket,
  key: ObjectKey,
  format: FORMAT.describe('Left out, the extension tells.'),
}).superRefine(({ key, format }, context) => tellsFormat(key, format, context));
export type S3Source = z.infer<typeof S3Source>;

const Parameter = z
  .union([z.string(), z.number(), z.boolean(), z.null()], mustBe('a text, a number, true, false or null'))
  .superRefine((given, context) =>
    addProblem(context, typeof given === 'string' ? templateProblem(given) : undefined),
  );
const PostgresqlSource = strict({
  kind: z.literal('postgresql'),
  connection: ConnectionName,
  query: z
    .string(mustBe('a query such as select * from users where day = $1'))
    .min(1, 'is empty')
    .max(65_536, 'must be at most 65536 characters long')
    .refine(
      (query) => !hasPlaceholder(query),
      'must not hold {logical_date} or {schedule}; write $1 there, and the placeholder in parameters',
    ),
  parameters: z
    .array(Parameter)
    .max(100, 'must be at most 100')
    .default([])
    .describe('The values of $1, $2, … in the query; texts may hold placeholders.'),
});
export type PostgresqlSource = z.infer<typeof PostgresqlSource>;

export const Source = byKind([FileSource, HttpSource, S3Source, PostgresqlSource]);
export type Source = z.infer<typeof Source>;

/** Refuses a place whose format is neither given nor told by its end. The end of a pattern may be open. */
function tellsFormat(path: string, format: string | undefined, context: z.RefinementCtx): void {
  const isOpen = /[*?][^./]*$/.test(path);
  if (format !== undefined || isOpen || sourceFormatOf(path) !== undefined) return;
  const message = `is missing, and ${JSON.stringify(path)} does not tell it; must be ndjson, csv or parquet`;
  context.addIssue({ code: 'custom', path: ['format'], message });
}

function urlProblem(template: string): string | undefined {
  const address = renderTemplate(template, { logicalDate: '2026-11-20', schedule: 'a' });
  if (!URL.canParse(address)) return 'must be an address such as https://host/users.ndjson';
  const { protocol, username, password } = new URL(address);
  if (protocol !== 'https:' && protocol !== 'http:')
    return `must begin with https:// or http://, not ${protocol}`;
  if (username !== '' || password !== '')
    return 'must not hold a user or a password; give them in an http connection';
  return undefined;
}
