/** Pages of a result that can be read while the task runs: the rows that are finished, in input order, from a cursor on. */
import { type Outputs, type ResultRow, toLine } from '@millrace/batch/results/read-chunk';
import { isTerminal } from '@millrace/batch/status';
import type { Task } from '@millrace/batch/task';
import { mergedRows, type RowDeps } from '@millrace/tasks/merged-rows';
import { readRetries } from '@millrace/tasks/retries';
import { availableWalk } from '@millrace/tasks/stored-chunks';
import { taskAnswer } from './task-answer.js';

/** Where the next row is: in which chunk, and the how manieth of it. Printed as `3.120`; the beginning is `0`. */
export interface Cursor {
  chunk: number;
  place: number;
}

/** A page is ended by the row that goes beyond this. */
const PAGE_BYTES = 4 * 1024 * 1024;

const CURSOR = /^(\d{1,9})(?:\.(\d{1,9}))?$/;

/** Undefined when it is none that we have given out. */
export function parseCursor(text: string): Cursor | undefined {
  const found = CURSOR.exec(text);
  return found === null ? undefined : { chunk: Number(found[1]), place: Number(found[2] ?? 0) };
}

/**
 * The JSON text of a page: the task as it stands, at most `limit` rows, and the cursor to ask with next. Rows are given
 * up to the first one that is not finished, so that whoever follows the cursor sees each row once, in order.
 */
export async function resultPage(
  deps: RowDeps,
  recorded: Task,
  after: Cursor,
  limit: number,
  outputs: Outputs,
): Promise<string> {
  const shown = await readRetries(deps.store, recorded);
  const texts: string[] = [];
  let bytes = 0;
  const isFull = () => texts.length === limit || bytes > PAGE_BYTES;
  let { chunk, place } = after;
  for await (const rows of mergedRows(deps, availableWalk(recorded, chunk), shown.merged, outputs)) {
    for (; place < rows.length && !isFull(); place++) {
      const text = toLine(rows[place] as ResultRow).trimEnd();
      texts.push(text);
      bytes += text.length;
    }
    if (place < rows.length) break;
    chunk++;
    place = 0;
    if (isFull()) break;
  }
  const isComplete = isTerminal(recorded.status) && chunk >= recorded.chunks;
  const answer = await taskAnswer(deps, shown);
  const head = JSON.stringify({ ...answer, next: printed({ chunk, place }), complete: isComplete });
  return `${head.slice(0, -1)},"results":[${texts.join(',')}]}\n`;
}

function printed({ chunk, place }: Cursor): string {
  return place === 0 ? String(chunk) : `${chunk}.${place}`;
}
