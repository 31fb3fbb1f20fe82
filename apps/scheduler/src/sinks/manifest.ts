/** What is written beside a result: how many rows it has, and the digest that its bytes must come to. */
import type { RunOutput, Written } from './sink.js';

const SUFFIX = '.manifest.json';

export function manifestPath(path: string): string {
  return `${path}${SUFFIX}`;
}

export function manifestText(
  { schedule, logicalDate, taskId, model, rows }: RunOutput,
  format: 'ndjson' | 'csv',
  { bytes, sha256 }: Pick<Written, 'bytes' | 'sha256'>,
  now: Date,
): string {
  const manifest = {
    schedule,
    logical_date: logicalDate,
    task_id: taskId,
    model,
    format,
    rows,
    bytes,
    sha256,
    written_at: now.toISOString(),
  };
  return `${JSON.stringify(manifest, null, 2)}\n`;
}
