/** The errors of rows by their code: how many rows have it, and the first of them as examples. */
import type { RowCode, RowError, RowId } from '../errors.js';
import { shorten } from '../rows/describe.js';

/** Examples of one code: those with the lowest row numbers. */
export const EXAMPLES_MAX = 3;
/** Of an example, in UTF-16 units; a message may quote what the model said, at any length. */
const MESSAGE_MAX = 200;

export interface ErrorExample {
  row: number;
  id?: RowId;
  /** The beginning of the row's message. */
  message: string;
}

export interface ErrorGroup {
  count: number;
  examples: ErrorExample[];
}

export type ErrorGroups = Partial<Record<RowCode, ErrorGroup>>;

/** @param errors in order of `row` */
export function groupErrors(errors: readonly RowError[]): ErrorGroups {
  const groups: ErrorGroups = {};
  for (const { row, id, code, message } of errors) {
    groups[code] ??= { count: 0, examples: [] };
    const group = groups[code];
    group.count++;
    if (group.examples.length === EXAMPLES_MAX) continue;
    group.examples.push({ row, ...(id === undefined ? {} : { id }), message: shorten(message, MESSAGE_MAX) });
  }
  return groups;
}
