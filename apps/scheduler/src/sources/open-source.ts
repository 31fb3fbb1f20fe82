/** Opens the source of a schedule, its templates filled in. */
import type { Schedule } from '@millrace/schedule/schedule';
import { renderTemplate } from '@millrace/schedule/template';
import type { Connections } from '../connections/connections.js';
import { openFileSource } from './file.js';
import { formatOf, rowsOf } from './formats.js';
import { openHttpSource } from './http.js';
import { openPostgresqlSource } from './postgresql.js';
import { openS3Object, openS3Reader, type S3Location } from './s3.js';
import type { Rows, SourceContext } from './source.js';
import type { SourceFile, SourceFormat } from './source-file.js';

export interface SourceDeps {
  /** What file sources may reach. */
  folders: readonly string[];
  connections: Connections;
}

/** @throws RunError `source_…`, `unknown_connection`, as the iteration of the bytes does */
export function openSource(
  deps: SourceDeps,
  source: Schedule['source'],
  context: SourceContext,
): Promise<Rows> {
  const fill = (template: string) => renderTemplate(template, context);
  switch (source.kind) {
    case 'file':
      return openFileSource({ ...source, path: fill(source.path) }, deps, context);
    case 'http':
      return openHttpSource({ ...source, url: fill(source.url) }, deps, context);
    case 's3':
      return openS3Source({ ...source, key: fill(source.key) }, deps, context, source.format);
    case 'postgresql': {
      const parameters = source.parameters.map((each) => (typeof each === 'string' ? fill(each) : each));
      return openPostgresqlSource({ ...source, parameters }, deps, context);
    }
  }
}

async function openS3Source(
  location: S3Location,
  deps: SourceDeps,
  { signal }: SourceContext,
  declared: SourceFormat | undefined,
): Promise<Rows> {
  const name = `s3://${location.bucket}/${location.key}`;
  const format = formatOf(location.key, declared);
  if (format === 'parquet') {
    // Opened here, so that an object that is not there is known before a task is begun.
    const reader = await openS3Reader(location, deps, signal);
    return rowsOf(format, [{ name, stream: () => noStream(), ranges: async () => reader }]);
  }
  const { bytes } = await openS3Object(location, deps, signal);
  const file: SourceFile = { name, stream: () => bytes, ranges: () => openS3Reader(location, deps, signal) };
  return rowsOf(format, [file]);
}

function noStream(): never {
  throw new Error('Parquet is read by ranges');
}
