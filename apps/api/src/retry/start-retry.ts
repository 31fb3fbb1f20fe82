/** Makes a task of those rows of a finished task that can be retried. The order of steps is the retry store's. */
import { BatchError } from '@millrace/batch/errors';
import { retryableRows } from '@millrace/batch/retry';
import { ChunkSplitter } from '@millrace/batch/split/chunk-splitter';
import { isTerminal } from '@millrace/batch/status';
import type { Task } from '@millrace/batch/task';
import { StoredSplitter } from '@millrace/columnar/rows/stored-splitter';
import type { RowDeps } from '@millrace/tasks/merged-rows';
import { chunkBounds } from '@millrace/tasks/splitter';
import { Upload } from '@millrace/tasks/upload';
import type { SubmitDeps } from '../submit/submit.js';
import { retryRecords } from './retry-records.js';

export type RetryDeps = SubmitDeps & RowDeps;

export interface RetryRequest {
  /** Of the task that is made. */
  id: string;
  client: string;
  requestId: string;
  expiresInMs: number | undefined;
}

/** The retry, accepted; undefined when the task has another one meanwhile, or was erased. @throws BatchError `unknown_model`, `result_expired` */
export async function startRetry(
  deps: RetryDeps,
  task: Task,
  request: RetryRequest,
): Promise<Task | undefined> {
  await deps.admission.admit(request.client);
  const { format, model, fingerprint, pool, columns = [] } = task;
  const { model: descriptor } = await deps.catalog.resolve(model);
  const retryDepth = task.retryDepth + 1;
  const record = { ...request, model, fingerprint, format, pool, columns, retryOf: task.id, retryDepth };
  const upload = new Upload(deps, record, { pool });
  const link = new Link(deps, task, request.id);
  try {
    // The rows have been taken once: no limit that has changed since refuses them.
    const maxRowBytes = Number.POSITIVE_INFINITY;
    const bounds = chunkBounds(descriptor);
    const splitter =
      format === 'arrow'
        ? new StoredSplitter({ ...bounds, maxRowBytes })
        : new ChunkSplitter({ format, ...bounds, maxRecordBytes: maxRowBytes });
    await upload.addAll(retryRecords(deps, task), splitter);
    // Each row is merged by its place among the others.
    if (upload.rows !== retryableRows(task)) {
      throw new BatchError('internal', `a retry of ${retryableRows(task)} rows has ${upload.rows}`);
    }
    const retry = await upload.finish(() => link.set());
    // With the task that it is linked to.
    if (retry.erasedAt !== undefined) return undefined;
    accepted(deps, task, retry);
    return retry;
  } catch (error) {
    if (!link.isUncertain) {
      const ids = { task_id: request.id, retry_of: task.id };
      await upload.undo(error).catch(() => deps.log.warn('an upload could not be undone', ids));
    }
    if (error instanceof NotLinkedError) return undefined;
    deps.metrics.task(model, format, 'refused', upload.rows);
    throw error;
  } finally {
    upload.stop();
  }
}

/** The link from a task to its retry. */
class Link {
  /** Redis was told to set it and has not answered: another request may have found the retry, and nobody may undo it. */
  isUncertain = false;

  constructor(
    private readonly deps: RetryDeps,
    private readonly task: Task,
    private readonly retry: string,
  ) {}

  /** @throws NotLinkedError */
  async set(): Promise<void> {
    this.isUncertain = true;
    // What the task is linked to already has come to nothing; otherwise that would be retried.
    const linked = await this.deps.retryStore.link(this.task.id, this.retry, this.task.retriedBy);
    this.isUncertain = false;
    if (linked !== this.retry) throw new NotLinkedError();
  }
}

/** The task has another retry, or was erased. */
class NotLinkedError extends Error {}

function accepted({ metrics, log }: RetryDeps, { id, model, format }: Task, retry: Task): void {
  metrics.task(model, format, 'retried', retry.ledger.total);
  const ids = { task_id: retry.id, request_id: retry.requestId };
  const { client } = retry;
  log.info('a task is retried', { ...ids, retry_of: id, client, model, rows: retry.ledger.total });
  // Its last chunk was committed before it was sealed; otherwise the worker says it.
  if (isTerminal(retry.status)) log.info('a task finished', { ...ids, model });
}
