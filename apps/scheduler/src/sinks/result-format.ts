/** In which format a result is written to a file or an object. */
import { RunError } from '../run-error.js';

export type ResultFormat = 'ndjson' | 'csv';

/**
 * The format that the schedule declares, or else that of the name's extension.
 * @throws RunError `sink_refused`
 */
export function resultFormat(name: string, declared?: ResultFormat): ResultFormat {
  if (/\.(gz|parquet)$/i.test(name)) {
    throw new RunError('sink_refused', `${name}: results are written as plain NDJSON or CSV`, false);
  }
  if (declared !== undefined) return declared;
  if (/\.(ndjson|jsonl)$/i.test(name)) return 'ndjson';
  if (/\.csv$/i.test(name)) return 'csv';
  const message = `${name}: the name does not tell the format: set "format" to ndjson or csv, or use .ndjson, .jsonl or .csv`;
  throw new RunError('sink_refused', message, false);
}
