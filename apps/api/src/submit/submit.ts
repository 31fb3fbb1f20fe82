/** `POST /batch-predict`: from request bytes to chunks in the queue and a task id. */
import { randomUUID } from 'node:crypto';
import { BatchError } from '@millrace/batch/errors';
import { modelKey } from '@millrace/batch/model';
import { isTerminal } from '@millrace/batch/status';
import { type Task, taskView } from '@millrace/batch/task';
import type { Logger } from '@millrace/process/logger';
import type { FinishedEvents } from '@millrace/queue/finished-events';
import type { Producer } from '@millrace/queue/producer';
import type { TaskStore } from '@millrace/queue/task-store';
import type { RequestHandler, Response } from 'express';
import { waitingFor } from '../models.js';
import { sendResult } from '../result/send-result.js';
import { preferredWait, waitForEnd } from '../result/wait.js';
import { sendJson } from '../send-json.js';
import { createSplitter, readSubmission, type Submission, type SubmissionDeps } from './submission.js';
import { Upload } from './upload.js';

export interface SubmitDeps extends SubmissionDeps {
  store: TaskStore;
  producer: Producer;
  events: FinishedEvents;
  log: Logger;
}

export function submitRoute(deps: SubmitDeps): RequestHandler {
  return async (request, response) => {
    const submission = await readSubmission(deps, request);
    const accepted = await accept(deps, response, submission);
    response.location(`/batch-result/${accepted.id}`);
    const waitMs = preferredWait(request);
    // Accepted is accepted: an outage while waiting must not keep the id from the client.
    const ended =
      waitMs === undefined
        ? undefined
        : await waitForEnd(deps, response, accepted, waitMs).catch(() => undefined);
    const task = ended ?? accepted;
    if (waitMs !== undefined && isTerminal(task.status)) {
      return sendResult(deps, response, task, 'json', 'default');
    }
    response.status(202).set('Retry-After', '1');
    sendJson(response, taskView(task, waitingFor(task, submission.entry)));
  };
}

/** Takes the rows in; afterwards either all of them are in the queue, or nothing is. */
async function accept(
  deps: SubmitDeps,
  response: Response,
  { entry, sentAs, format, expiresInMs, bytes }: Submission,
): Promise<Task> {
  const id = randomUUID();
  response.locals.taskId = id;
  const model = modelKey(entry.model);
  const { splitter, columns } = createSplitter(deps, format, entry);
  const { client, requestId } = response.locals;
  const { fingerprint, manifest } = entry.model;
  const { pool } = manifest.limits;
  const record = { id, client, model, fingerprint, format, pool, expiresInMs, columns, requestId };
  const upload = new Upload(deps.store, deps.producer, record, manifest.limits);
  try {
    for await (const piece of bytes) for (const chunk of splitter.push(piece)) await upload.add(chunk);
    for (const chunk of splitter.end()) await upload.add(chunk);
    const task = await upload.finish();
    deps.metrics.task(model, sentAs, 'accepted', upload.rows);
    deps.log.info('a task was accepted', {
      task_id: id,
      request_id: requestId,
      client,
      model,
      rows: upload.rows,
    });
    // Its last chunk was committed before the upload had ended; otherwise the worker says it.
    if (isTerminal(task.status))
      deps.log.info('a task finished', { task_id: id, request_id: requestId, model });
    return task;
  } catch (error) {
    const aborted = error instanceof BatchError && error.code === 'upload_aborted';
    deps.metrics.task(model, sentAs, aborted ? 'aborted' : 'refused', upload.rows);
    await upload.undo(error).catch(() => deps.log.warn('an upload could not be undone', { task_id: id }));
    throw error;
  }
}
