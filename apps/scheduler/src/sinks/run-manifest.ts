/** The small file beside a result that says what it is. It appears after the result: who waits for it has all. */
import type { RunOutput } from './sink.js';

export const MANIFEST_SUFFIX = '.manifest.json';

/** What was written, as a reader can check it. */
export interface WrittenFile {
  format: 'ndjson' | 'csv';
  bytes: number;
  /** In hex. */
  sha256: string;
}

/** @param writtenAt milliseconds since 1970 */
export function manifestText(output: RunOutput, file: WrittenFile, writtenAt: number): string {
  const manifest = {
    schedule: output.schedule,
    logical_date: output.logicalDate,
    task_id: output.taskId,
    model: output.model,
    format: file.format,
    rows: output.rows,
    bytes: file.bytes,
    sha256: file.sha256,
    written_at: new Date(writtenAt).toISOString(),
  };
  return `${JSON.stringify(manifest, null, 2)}\n`;
}
