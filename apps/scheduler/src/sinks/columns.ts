/** Which part of a result row goes into which column of a table. */
import { didYouMean } from '@millrace/batch/did-you-mean';
import type { Outputs } from '@millrace/batch/results/read-chunk';
import { RESULT_PATHS } from '@millrace/schedule/sink-definition';
import { RunError } from '../run-error.js';

/** @property path where the value is in a row as `rowText` prints it */
export interface ColumnPath {
  column: string;
  path: string[];
}

const PATHS: readonly string[] = RESULT_PATHS;
const OUTPUT = 'prediction.';

/** @throws RunError `sink_refused` for what is no part of a row */
export function columnPaths(columns: Readonly<Record<string, string>>): ColumnPath[] {
  const paths = Object.values(columns);
  if (paths.includes('prediction') && paths.some(isOutput)) {
    throw refused(
      'either "prediction" goes into a column, or single outputs as "prediction.<output>", not both',
    );
  }
  return Object.entries(columns).map(([column, path]) => ({ column, path: partsOf(column, path) }));
}

/** Single outputs may be any of them; a whole prediction is what results show by default. */
export function outputsOf(columns: Readonly<Record<string, string>>): Outputs {
  return Object.values(columns).some(isOutput) ? 'all' : 'default';
}

/** @throws RunError `sink_refused` when predictions have no such output */
export function checkOutputs(columns: readonly ColumnPath[], prediction: string): void {
  const wanted = columns.filter(({ path }) => path[0] === 'prediction' && path.length > 1);
  if (wanted.length === 0) return;
  const outputs = Object.keys(JSON.parse(prediction) as object);
  for (const { column, path } of wanted) {
    const output = path[1] as string;
    if (outputs.includes(output)) continue;
    const hint = didYouMean(output, outputs) || `; there are ${outputs.join(', ')}`;
    throw refused(
      `the column "${column}" is to get the output "${output}", which the model does not have${hint}`,
    );
  }
}

function isOutput(path: string): boolean {
  return path.startsWith(OUTPUT) && path.length > OUTPUT.length;
}

function partsOf(column: string, path: string): string[] {
  if (isOutput(path)) return ['prediction', path.slice(OUTPUT.length)];
  if (PATHS.includes(path)) return path.split('.');
  throw refused(
    `the column "${column}" is to get "${path}", which a row does not have${didYouMean(path, PATHS) || `; there are ${[...PATHS, 'prediction.<output>'].join(', ')}`}`,
  );
}

function refused(message: string): RunError {
  return new RunError('sink_refused', message, false);
}
