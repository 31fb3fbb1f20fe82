/** Checks rows that are not to be stored, or not yet, while other requests are answered. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { BatchError } from '@millrace/batch/errors';
import { valuesPerRow } from '@millrace/batch/manifest/complete';
import { RowCheck } from '@millrace/batch/rows/row-check';
import { RowReader } from '@millrace/batch/rows/row-reader';
import type { Chunk } from '@millrace/batch/split/chunk-splitter';
import { decodeStored } from '@millrace/columnar/rows/decode-stored';
import type { CatalogEntry } from '@millrace/queue/catalog';
import { refuseTooMany } from '@millrace/tasks/upload';
import type { Response } from 'express';
import { type BodyRoom, chunkFormat, type PieceFormat, splitterOf } from './body-splitter.js';

/** What is checked in one go: on the order of a millisecond, so that other requests are answered meanwhile. */
const SLICE_ROWS = 256;
const SLICE_BYTES = 32 * 1024;
const SLICE_VALUES = 20_000;
/** How long the check may keep other requests waiting. */
const TURN_MS = 5;

/** Rows in pieces that the splitter of their format takes. */
export interface CheckedRows {
  entry: CatalogEntry;
  format: PieceFormat;
  bytes: AsyncIterable<Uint8Array> | Iterable<Uint8Array>;
}

export interface CheckBounds {
  room: BodyRoom;
  /** Whatever the model allows: rows of columns may take no bytes, so that no bound of bytes ends them. */
  maxRows: number;
}

/** @throws BatchError `too_many_rows`, `upload_aborted`, and what the splitter and the pieces meet */
export async function checkRows(
  { entry, format, bytes }: CheckedRows,
  { room, maxRows }: CheckBounds,
  response: Response,
): Promise<RowCheck> {
  const { manifest } = entry.model;
  const { splitter, columns } = splitterOf(entry.model, format, room, sliceOf(entry));
  const reader = new RowReader(manifest);
  const check = new RowCheck();
  const pause = pauser();
  const take = async (chunks: Iterable<Chunk>) => {
    for (const chunk of chunks) {
      if (response.destroyed) throw new BatchError('upload_aborted', 'the client went away');
      const rows = chunk.firstRow + chunk.rows;
      refuseTooMany(rows, manifest.limits.max_rows);
      refuseUnchecked(rows, maxRows);
      check.addChunk(decodeStored({ ...chunk, format: chunkFormat(format), columns }, reader, manifest));
      await pause();
    }
  };
  try {
    for await (const piece of bytes) await take(splitter.push(piece));
    await take(splitter.end());
    return check;
  } finally {
    // The splitter goes; whoever takes the rows in afterwards has another.
    room.hold(0);
  }
}

function refuseUnchecked(rows: number, maxRows: number): void {
  if (rows <= maxRows) return;
  throw new BatchError('too_many_rows', `at most ${maxRows} rows are checked in one request`, {
    limit_rows: maxRows,
  });
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
