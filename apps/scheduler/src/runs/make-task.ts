/**
 * Makes the task of a run: the rows of its source go into the queue as those of a submission do. The run's record names the
 * task before it is made, so that whoever takes the run up knows whether it came to be: an unsealed one is aborted, and then
 * cannot come to be any more.
 */
import { modelKey } from '@millrace/batch/model';
import type { Task } from '@millrace/batch/task';
import type { Catalog } from '@millrace/queue/catalog';
import type { TaskIds } from '@millrace/queue/task-ids';
import { SILENT_UPLOAD, type TaskStore } from '@millrace/queue/task-store';
import type { Schedule } from '@millrace/schedule/schedule';
import { createSplitter } from '@millrace/tasks/splitter';
import { Upload, type UploadDeps } from '@millrace/tasks/upload';
import type { Rows, SourceContext } from '../sources/source.js';
import type { Attempt } from './attempt.js';

export interface MakeTaskDeps extends UploadDeps {
  catalog: Catalog;
  ids: TaskIds;
  /** @throws RunError */
  openSource(source: Schedule['source'], context: SourceContext): Promise<Rows>;
  maxRowBytes: number;
}

/** The task of the run, all of its rows in the queue. @throws RunError · BatchError as a submission · as `Attempt.note` */
export async function ensureTask(deps: MakeTaskDeps, attempt: Attempt): Promise<Task> {
  return (await earlierTask(deps.store, attempt)) ?? makeTask(deps, attempt);
}

/** What an earlier attempt has made, if that came to be and is still there. */
async function earlierTask(store: TaskStore, attempt: Attempt): Promise<Task | undefined> {
  const { taskId, isAccepted } = attempt.run;
  if (taskId === undefined) return undefined;
  if (!isAccepted) await store.abort(taskId, SILENT_UPLOAD);
  const task = await store.read(taskId);
  if (task === undefined || task.status === 'receiving' || task.error !== undefined) return undefined;
  // Nobody has written its results in time.
  if (task.expiresAt !== undefined && task.expiresAt <= Date.now()) return undefined;
  if (!isAccepted) await attempt.note({ acceptedTask: taskId });
  return task;
}

function makeTask(deps: MakeTaskDeps, attempt: Attempt): Promise<Task> {
  return attempt.watched(async (signal) => {
    // What the source holds open is let go at the end, whichever way the upload ends.
    const reading = new AbortController();
    try {
      return await takeRows(deps, attempt, AbortSignal.any([signal, reading.signal]));
    } finally {
      reading.abort();
    }
  });
}

/** @param signal ends the reading of the source */
async function takeRows(deps: MakeTaskDeps, attempt: Attempt, signal: AbortSignal): Promise<Task> {
  const { schedule, logicalDate, client, definition } = attempt.run;
  const { model } = await deps.catalog.resolve(definition.model);
  await deps.admission.admit(client);
  const rows = await deps.openSource(definition.source, { schedule, logicalDate, signal });
  const id = deps.ids.create(client);
  const { manifest, fingerprint } = model;
  const { pool } = manifest.limits;
  // What earlier tasks have had written is of no use: their rows may have been others.
  await attempt.note({ taskId: id, model: modelKey(model), writtenRows: 0 });
  const { splitter, columns } = createSplitter(model, rows.format, deps.maxRowBytes);
  const expiresInMs = definition.expires_in === undefined ? undefined : definition.expires_in * 1000;
  const requestId = `${schedule}/${logicalDate}`;
  const { format } = rows;
  const record = { id, client, model: modelKey(model), fingerprint, format, pool, expiresInMs, columns };
  const upload = new Upload(deps, { ...record, requestId }, manifest.limits);
  try {
    await upload.addAll(rows.bytes, splitter);
    const task = await upload.finish(() => attempt.fence());
    await attempt.note({ acceptedTask: id });
    return task;
  } catch (error) {
    // Otherwise its lease runs out, and the next attempt aborts it.
    await upload.undo(error).catch(() => {});
    throw error;
  } finally {
    upload.stop();
  }
}
