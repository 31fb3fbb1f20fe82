/**
 * The dry run is responsible for saying what would become of a submission (`validate_only=true`) while nothing is stored
 * or queued. What refuses a submission as a whole refuses the dry run in the same way, bad rows excepted: they are
 * reported, whatever `on_invalid` says.
 */

import { setImmediate as nextTurn } from 'node:timers/promises';
import { BatchError } from '@millrace/batch/errors';
import { valuesPerRow } from '@millrace/batch/manifest/complete';
import { modelKey, rowsPerChunk } from '@millrace/batch/model';
import { RowCheck } from '@millrace/batch/rows/row-check';
import { RowReader } from '@millrace/batch/rows/row-reader';
import type { Chunk } from '@millrace/batch/split/chunk-splitter';
import { decodeStored } from '@millrace/columnar/rows/decode-stored';
import type { CatalogEntry } from '@millrace/queue/catalog';
import { refuseTooMany } from '@millrace/tasks/upload';
import type { Response } from 'express';
import { type BodyRoom, chunkFormat, type PieceFormat, splitterOf } from './body-splitter.js';
import { resolveModel } from './resolve-model.js';
import { type Intake, openPieces, readJsonBody, roomFor, type SubmissionDeps } from './submission.js';

/** What is checked in one go: on the order of a millisecond, so that other requests are answered meanwhile. */
const SLICE_ROWS = 256;
const SLICE_BYTES = 32 * 1024;
const SLICE_VALUES = 20_000;
/** How long the check may keep other requests waiting. */
const TURN_MS = 5;

/** The answer to a dry run. @throws BatchError as a submission, but for `invalid_rows` */
export async function dryRun(deps: SubmissionDeps, intake: Intake): Promise<Record<string, unknown>> {
  const { format } = intake;
  const { entry, lines, bytes, onInvalid } = await openRows(deps, intake);
  const check = await checkRows(entry, lines, bytes, roomFor(deps, intake.request.res as Response));
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
    return { entry, lines: 'ndjson' as const, bytes: [lines], onInvalid: options.on_invalid ?? 'reject' };
  }
  const entry = await resolveModel(deps.catalog, query.model);
  const bytes = await openPieces(deps, intake, format);
  return { entry, lines: format, bytes, onInvalid: query.on_invalid ?? 'report' };
}

async function checkRows(
  entry: CatalogEntry,
  format: PieceFormat,
  bytes: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  room: BodyRoom,
): Promise<RowCheck> {
  const { manifest } = entry.model;
  const { splitter, columns } = splitterOf(entry.model, format, room, sliceOf(entry));
  const reader = new RowReader(manifest);
  const check = new RowCheck();
  const pause = pauser();
  const take = async (chunks: Iterable<Chunk>) => {
    for (const chunk of chunks) {
      refuseTooMany(chunk.firstRow + chunk.rows, manifest.limits.max_rows);
      check.addChunk(decodeStored({ ...chunk, format: chunkFormat(format), columns }, reader, manifest));
      await pause();
    }
  };
  for await (const piece of bytes) await take(splitter.push(piece));
  await take(splitter.end());
  return check;
}

function sliceOf({ model }: CatalogEntry): { maxRows: number; maxBytes: number } {
  const byWidth = Math.floor(SLICE_VALUES / valuesPerRow(model.manifest));
  return { maxRows: Math.max(1, Math.min(SLICE_ROWS, byWidth)), maxBytes: SLICE_BYTES };
}

/** A function that lets others have a turn when it is time to. */
function pauser(): () => Promise<void> {
  let turnAt = performance.now();
  return async () => {
    if (performance.now() - turnAt < TURN_MS) return;
    await nextTurn();
    turnAt = performance.now();
  };
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
