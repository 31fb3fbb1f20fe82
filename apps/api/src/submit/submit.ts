/** `POST /batch-predict`: from request bytes to chunks in the queue and a task id. */
import { BatchError } from '@millrace/batch/errors';
import { modelKey } from '@millrace/batch/model';
import { isTerminal } from '@millrace/batch/status';
import { isoTime, type Task, taskView } from '@millrace/batch/task';
import type { Logger } from '@millrace/process/logger';
import type { CatalogEntry } from '@millrace/queue/catalog';
import type { ClaimStore } from '@millrace/queue/claim-store';
import type { FinishedEvents } from '@millrace/queue/finished-events';
import type { Producer } from '@millrace/queue/producer';
import type { RetryStore } from '@millrace/queue/retry-store';
import type { TaskIds } from '@millrace/queue/task-ids';
import type { TaskStore } from '@millrace/queue/task-store';
import { Upload } from '@millrace/tasks/upload';
import type { Request, RequestHandler, Response } from 'express';
import { waitingFor } from '../models.js';
import { readable } from '../result/own-task.js';
import { sendResult, WHOLE_AS_JSON } from '../result/send-result.js';
import { describeTask } from '../result/task-answer.js';
import { preferredWait, waitForEnd } from '../result/wait.js';
import { sendJson } from '../send-json.js';
import { chunkFormat, splitterOf } from './body-splitter.js';
import { ClaimedKey, keyInUse } from './claimed-key.js';
import { dryRun } from './dry-run.js';
import { Fingerprint } from './fingerprint.js';
import { idempotencyKey } from './idempotency-key.js';
import { resultOptions } from './options.js';
import {
  type Intake,
  openIntake,
  readSubmission,
  roomFor,
  type Submission,
  type SubmissionDeps,
  streamBody,
} from './submission.js';

export interface SubmitDeps extends SubmissionDeps {
  store: TaskStore;
  ids: TaskIds;
  retryStore: RetryStore;
  claims: ClaimStore;
  producer: Producer;
  events: FinishedEvents;
  log: Logger;
}

export function submitRoute(deps: SubmitDeps): RequestHandler {
  return async (request, response) => {
    const intake = openIntake(deps, request);
    const key = idempotencyKey(request);
    if (intake.query.validate_only === 'true') return sendJson(response, await dryRun(deps, intake));
    const accepted = await (key === undefined
      ? acceptNew(deps, response, intake)
      : acceptOnce(deps, response, intake, key));
    await answerAccepted(deps, request, response, accepted);
  };
}

/** Says which task was accepted, or, to a client that waits for it, what it has come to. */
export async function answerAccepted(
  deps: SubmitDeps,
  request: Request,
  response: Response,
  { task: accepted, entry }: Accepted,
): Promise<void> {
  response.location(`/batch-result/${accepted.id}`);
  const waitMs = preferredWait(request);
  // Accepted is accepted: an outage from here on must not keep the id from the client.
  const ended =
    waitMs === undefined
      ? undefined
      : await waitForEnd(deps, response, accepted, waitMs).catch(() => undefined);
  const task = ended ?? accepted;
  if (waitMs !== undefined && isTerminal(task.status)) {
    return sendResult(deps, response, readable(task), WHOLE_AS_JSON);
  }
  const waiting = waitingFor(task, entry);
  const answer = await describeTask(deps, task, waiting).catch(() => taskView(task, waiting));
  sendJson(response.status(202).set('Retry-After', '1'), answer);
}

interface Accepted {
  task: Task;
  /** What is served under the name of its model now. */
  entry: CatalogEntry | undefined;
}

async function acceptNew(deps: SubmitDeps, response: Response, intake: Intake): Promise<Accepted> {
  const { client } = response.locals;
  await deps.admission.admit(client);
  return accept(deps, response, await readSubmission(deps, intake), deps.ids.create(client));
}

/** As `acceptNew`, and for the same key of the same client the same task again. */
async function acceptOnce(
  deps: SubmitDeps,
  response: Response,
  intake: Intake,
  key: string,
): Promise<Accepted> {
  const fingerprint = new Fingerprint(intake.format, resultOptions(intake.query));
  const { client } = response.locals;
  const claim = { client, key, task: deps.ids.create(client) };
  const claimed = await deps.claims.claim(claim);
  switch (claimed.kind) {
    case 'in_use':
      throw keyInUse();
    case 'answered':
      return answerAgain(deps, response, intake, claimed, fingerprint);
    case 'claimed':
      break;
    default:
      return claimed satisfies never;
  }
  const held = new ClaimedKey(deps.claims, claim, fingerprint);
  const onPiece = (piece: Uint8Array) => {
    intake.onPiece(piece);
    held.receive(piece);
  };
  try {
    await deps.admission.admit(client);
    const submission = await readSubmission(deps, { ...intake, onPiece });
    const accepted = await accept(deps, response, submission, claim.task, () => held.confirm());
    // Should this be lost, the next request with the key finds the sealed task.
    await held.answer().catch(() => deps.log.warn('a key was not answered', { task_id: claim.task }));
    return accepted;
  } catch (error) {
    throw await held.abandon(error).catch(() => error);
  } finally {
    held.stop();
  }
}

/** Reads a repeated request to its end, keeps nothing of it, and returns the task that the first one has become. */
async function answerAgain(
  deps: SubmitDeps,
  response: Response,
  intake: Intake,
  { task, fingerprint: first }: { task: Task; fingerprint: string },
  fingerprint: Fingerprint,
): Promise<Accepted> {
  response.locals.taskId = task.id;
  if (task.erasedAt !== undefined) {
    throw new BatchError(
      'task_erased',
      'the task of this Idempotency-Key was erased; to submit the rows again, use another key',
      { erased_at: isoTime(task.erasedAt) },
    );
  }
  for await (const piece of streamBody(deps, intake)) fingerprint.update(piece);
  const isSame = fingerprint.digest() === first;
  deps.metrics.task(task.model, intake.format, isSame ? 'repeated' : 'refused', 0);
  if (!isSame) {
    throw new BatchError(
      'idempotency_key_reused',
      'this Idempotency-Key was used for another request: its body, format or query parameters differ',
    );
  }
  response.set('Idempotency-Replayed', 'true');
  const now = (await deps.store.read(task.id)) ?? task;
  return { task: now, entry: await deps.catalog.get(task.model) };
}

/** Takes the rows in; afterwards either all of them are in the queue, or nothing is. */
async function accept(
  deps: SubmitDeps,
  response: Response,
  { entry, sentAs, format: pieces, expiresInMs, bytes }: Submission,
  id: string,
  confirm?: () => Promise<void>,
): Promise<Accepted> {
  response.locals.taskId = id;
  const model = modelKey(entry.model);
  const { splitter, columns } = splitterOf(entry.model, pieces, roomFor(deps, response));
  const { client, requestId } = response.locals;
  const { fingerprint, manifest } = entry.model;
  const { pool } = manifest.limits;
  const format = chunkFormat(pieces);
  const record = { id, client, model, fingerprint, format, pool, expiresInMs, columns, requestId };
  const upload = new Upload(deps, record, manifest.limits);
  try {
    await upload.addAll(bytes, splitter);
    const task = await upload.finish(confirm);
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
    return { task, entry };
  } catch (error) {
    const aborted = error instanceof BatchError && error.code === 'upload_aborted';
    deps.metrics.task(model, sentAs, aborted ? 'aborted' : 'refused', upload.rows);
    await upload.undo(error).catch(() => deps.log.warn('an upload could not be undone', { task_id: id }));
    throw error;
  } finally {
    upload.stop();
  }
}
