/** In which format a result is written to a file or an object. */
import { type SinkFormat, sinkFormatOf } from '@millrace/schedule/format-of-path';
import { RunError } from '../run-error.js';

/**
 * The format that the schedule declares, or else that of the name's extension.
 * @throws RunError `sink_refused`
 */
export function resultFormat(name: string, declared?: SinkFormat): SinkFormat {
  if (/\.(gz|parquet)$/i.test(name)) {
    throw new RunError('sink_refused', `${name}: results are written as plain NDJSON or CSV`, false);
  }
  const format = declared ?? sinkFormatOf(name);
  if (format !== undefined) return format;
  const message = `${name}: the name does not tell the format: set "format" to ndjson or csv, or use .ndjson, .jsonl or .csv`;
  throw new RunError('sink_refused', message, false);
}
