/** Turns what a source holds into lines: told by name or type, inflated, Parquet unpacked, several files joined. */
import { RunError } from '../run-error.js';
import { joinCsv } from './csv-join.js';
import { inflated } from './inflate.js';
import { joinLines } from './line-join.js';
import { parquetLines } from './parquet.js';
import type { Rows } from './source.js';
import type { NamedBytes, SourceFile, SourceFormat } from './source-file.js';

const BY_EXTENSION: Readonly<Record<string, SourceFormat>> = {
  ndjson: 'ndjson',
  jsonl: 'ndjson',
  csv: 'csv',
  parquet: 'parquet',
};

const BY_TYPE: ReadonlyMap<string, SourceFormat> = new Map([
  ['application/x-ndjson', 'ndjson'],
  ['application/ndjson', 'ndjson'],
  ['application/jsonl', 'ndjson'],
  ['application/x-jsonlines', 'ndjson'],
  ['text/csv', 'csv'],
  ['application/vnd.apache.parquet', 'parquet'],
  ['application/x-parquet', 'parquet'],
]);

/**
 * The format that the schedule declares, or else that of the name's extension, or else of the content type.
 * @param name a path, a key, the path of a URL; `.gz` may stand behind NDJSON's and CSV's extensions
 * @throws RunError `source_malformed`
 */
export function formatOf(name: string, declared?: SourceFormat, contentType?: string): SourceFormat {
  const [, extension = ''] = /\.([a-z]+)(?:\.gz)?$/i.exec(name) ?? [];
  const type = contentType?.split(';')[0]?.trim().toLowerCase() ?? '';
  const byExtension = Object.hasOwn(BY_EXTENSION, extension.toLowerCase())
    ? BY_EXTENSION[extension.toLowerCase()]
    : undefined;
  const format = declared ?? byExtension ?? BY_TYPE.get(type);
  if (format === undefined) {
    const typed = contentType === undefined ? '' : `, nor does the content type ${contentType}`;
    throw new RunError(
      'source_malformed',
      `${name}: the name does not tell the format${typed}: set "format" to ndjson, csv or parquet, or use one of the extensions .ndjson, .jsonl, .csv, .parquet`,
      false,
    );
  }
  if (format === 'parquet' && /\.gz$/i.test(name)) {
    throw new RunError('source_malformed', `${name}: Parquet within gzip cannot be read by ranges`, false);
  }
  return format;
}

/** The rows of all files, one after the other. @param files of one format */
export function rowsOf(format: SourceFormat, files: readonly SourceFile[]): Rows {
  switch (format) {
    case 'ndjson':
      return { format: 'ndjson', bytes: joinLines(files.map(plain)) };
    case 'csv':
      return { format: 'csv', bytes: joinCsv(files.map(plain)) };
    case 'parquet':
      return { format: 'ndjson', bytes: parquetLines(files) };
  }
}

function plain(file: SourceFile): NamedBytes {
  return { name: file.name, bytes: inflated(file.name, () => file.stream()) };
}
