/**
 * The dry run is responsible for saying what would become of a submission (`validate_only=true`) while nothing is stored
 * or queued. What refuses a submission as a whole refuses the dry run in the same way, bad rows excepted: they are
 * reported, whatever `on_invalid` says.
 */

import { BatchError } from '@millrace/batch/errors';
import { modelKey, rowsPerChunk } from '@millrace/batch/model';
import type { CatalogEntry } from '@millrace/queue/catalog';
import { resolveModel } from './resolve-model.js';
import { checkForClient, type Intake, openPieces, readJsonBody, type SubmissionDeps } from './submission.js';

/** The answer to a dry run. @throws BatchError as a submission, but for `invalid_rows` */
export async function dryRun(deps: SubmissionDeps, intake: Intake): Promise<Record<string, unknown>> {
  const { format } = intake;
  const { onInvalid, ...sent } = await openRows(deps, intake);
  const { entry } = sent;
  const check = await checkForClient(deps, intake, sent);
  const { rows, valid, invalid, errors, errorsByCode } = check.report();
  if (rows === 0) throw new BatchError('empty_batch', 'the body has no rows');
  deps.metrics.task(modelKey(entry.model), format, 'checked', rows);
  return {
    model: modelKey(entry.model),
    rows,
    valid,
    invalid,
    would_be_accepted: invalid === 0 || onInvalid === 'report',
    errors_by_code: errorsByCode,
    errors,
    estimate: estimate(entry, valid),
  };
}

/** The rows in pieces, as a submission takes them. */
async function openRows(deps: SubmissionDeps, intake: Intake) {
  const { format, query } = intake;
  if (format === 'json') {
    const { entry, options, lines } = await readJsonBody(deps, intake);
    return { entry, format: 'ndjson' as const, bytes: [lines], onInvalid: options.on_invalid ?? 'reject' };
  }
  const entry = await resolveModel(deps.catalog, query.model);
  const bytes = await openPieces(deps, intake, format);
  return { entry, format, bytes, onInvalid: query.on_invalid ?? 'report' };
}

/** With every thread of the live workers at this task, as many as it has chunks; null while no worker is live. */
function estimate(
  { model, threads }: CatalogEntry,
  rows: number,
): { rows_per_second: number; seconds: number } | null {
  if (threads === 0) return null;
  const busy = Math.min(threads, Math.max(1, Math.ceil(rows / rowsPerChunk(model))));
  const rowsPerSecond = busy / model.seconds_per_row;
  return { rows_per_second: rounded(rowsPerSecond), seconds: rounded(rows / rowsPerSecond) };
}

function rounded(value: number): number {
  return Number(value.toPrecision(3));
}
