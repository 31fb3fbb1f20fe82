/** `POST /batch-predict`: from request bytes to chunks in the queue and a task id. */
import { randomUUID } from 'node:crypto';
import { BatchError } from '@millrace/batch/errors';
import { modelKey, rowsPerChunk } from '@millrace/batch/model';
import { parseHeader } from '@millrace/batch/rows/csv';
import { decodeChunk } from '@millrace/batch/rows/decode-chunk';
import { type CsvColumn, RowReader } from '@millrace/batch/rows/row-reader';
import { refuseInvalid, validateRows } from '@millrace/batch/rows/validate-rows';
import { ChunkSplitter } from '@millrace/batch/split/chunk-splitter';
import type { LineFormat } from '@millrace/batch/split/record-borders';
import { isTerminal } from '@millrace/batch/status';
import { type Task, taskView } from '@millrace/batch/task';
import type { Logger } from '@millrace/process/logger';
import type { Catalog, CatalogEntry } from '@millrace/queue/catalog';
import type { FinishedEvents } from '@millrace/queue/finished-events';
import type { Producer } from '@millrace/queue/producer';
import type { TaskStore } from '@millrace/queue/task-store';
import type { Request, RequestHandler, Response } from 'express';
import type { ApiMetrics } from '../metrics.js';
import { waitingFor } from '../models.js';
import { parseParameters } from '../query.js';
import { sendResult } from '../result/send-result.js';
import { preferredWait, waitForEnd } from '../result/wait.js';
import { type BodyFormat, bodyFormat, readBody, readWholeBody } from './body.js';
import { parseJsonBody, toLines } from './json-body.js';
import { mergeOptions, SubmitOptions } from './options.js';
import { Upload } from './upload.js';

export interface SubmitDeps {
  store: TaskStore;
  producer: Producer;
  catalog: Catalog;
  events: FinishedEvents;
  metrics: ApiMetrics;
  log: Logger;
  limits: { maxJsonBytes: number; maxBodyBytes: number; maxRowBytes: number; uploadIdleMs: number };
}

const CHUNK_BYTES = 1024 * 1024;

/** A body that is understood as far as its kind asks for: what it is for, and its bytes as lines. */
interface Submission {
  entry: CatalogEntry;
  format: LineFormat;
  bytes: AsyncIterable<Uint8Array> | Iterable<Uint8Array>;
}

export function submitRoute(deps: SubmitDeps): RequestHandler {
  return async (request, response) => {
    const options = parseParameters(SubmitOptions, request.query, 'query parameter');
    const format = bodyFormat(request);
    const submission = await readSubmission(deps, request, format, options);
    const accepted = await accept(deps, response, format, submission);
    response.location(`/batch-result/${accepted.id}`);
    const waitMs = preferredWait(request);
    // Accepted is accepted: an outage while waiting must not keep the id from the client.
    const ended =
      waitMs === undefined
        ? undefined
        : await waitForEnd(deps, response, accepted, waitMs).catch(() => undefined);
    const task = ended ?? accepted;
    if (waitMs !== undefined && isTerminal(task.status)) {
      return sendResult(deps, response, task, 'json', 'primary');
    }
    response
      .status(202)
      .set('Retry-After', '1')
      .json(taskView(task, waitingFor(task, submission.entry)));
  };
}

async function readSubmission(
  deps: SubmitDeps,
  request: Request,
  format: BodyFormat,
  options: SubmitOptions,
): Promise<Submission> {
  switch (format) {
    case 'json':
      return readJsonSubmission(deps, request, options);
    case 'ndjson':
    case 'csv': {
      const entry = await resolveModel(deps, options.model);
      return options.on_invalid === 'reject'
        ? readCheckedLines(deps, request, format, entry)
        : { entry, format, bytes: countBytes(deps, format, readBody(request, streamLimits(deps))) };
    }
  }
}

async function readJsonSubmission(
  deps: SubmitDeps,
  request: Request,
  query: SubmitOptions,
): Promise<Submission> {
  const body = await readWholeBody(request, wholeLimits(deps, 'send large batches as application/x-ndjson'));
  deps.metrics.received('json', body.length);
  const { rows, options, pointer } = parseJsonBody(body);
  const { model, on_invalid: onInvalid } = mergeOptions(query, options);
  const entry = await resolveModel(deps, model);
  if (onInvalid !== 'report') validateRows(rows, new RowReader(entry.model.manifest), pointer);
  return { entry, format: 'ndjson', bytes: [toLines(rows)] };
}

/** Lines that are to be refused whole when one is bad must be read whole before they are accepted. */
async function readCheckedLines(
  deps: SubmitDeps,
  request: Request,
  format: LineFormat,
  entry: CatalogEntry,
): Promise<Submission> {
  const hint = 'on_invalid=reject reads the body whole; without it any size is streamed';
  const body = await readWholeBody(request, wholeLimits(deps, hint));
  deps.metrics.received(format, body.length);
  const reader = new RowReader(entry.model.manifest);
  const { splitter, columns } = createSplitter(deps, format, entry);
  const chunks = [...splitter.push(body), ...splitter.end()];
  const invalid = chunks.flatMap((chunk) => decodeChunk({ ...chunk, format, columns }, reader).errors);
  refuseInvalid(invalid, splitter.rowsSeen);
  return { entry, format, bytes: [body] };
}

async function resolveModel({ catalog }: SubmitDeps, ref: string | undefined): Promise<CatalogEntry> {
  if (ref !== undefined) return catalog.resolve(ref);
  const models = (await catalog.list()).map((entry) => modelKey(entry.model));
  throw new BatchError('model_required', 'say which model, for example ?model=name', { models });
}

/** Takes the rows in; afterwards either all of them are in the queue, or nothing is. */
async function accept(
  deps: SubmitDeps,
  response: Response,
  bodyKind: BodyFormat,
  { entry, format, bytes }: Submission,
): Promise<Task> {
  const id = randomUUID();
  response.locals.taskId = id;
  const model = modelKey(entry.model);
  const { splitter, columns } = createSplitter(deps, format, entry);
  const { client, requestId } = response.locals;
  const upload = new Upload(deps.store, deps.producer, { id, client, model, format, columns, requestId });
  try {
    for await (const piece of bytes) for (const chunk of splitter.push(piece)) await upload.add(chunk);
    for (const chunk of splitter.end()) await upload.add(chunk);
    const task = await upload.finish();
    deps.metrics.task(model, bodyKind, 'accepted', upload.rows);
    deps.log.info('a task was accepted', {
      task_id: id,
      request_id: requestId,
      client,
      model,
      rows: upload.rows,
    });
    return task;
  } catch (error) {
    const aborted = error instanceof BatchError && error.code === 'upload_aborted';
    deps.metrics.task(model, bodyKind, aborted ? 'aborted' : 'refused', upload.rows);
    await upload.undo(error).catch(() => deps.log.warn('an upload could not be undone', { task_id: id }));
    throw error;
  }
}

/** `columns` is filled by the header line, which comes before the first chunk; it stays empty for NDJSON. */
function createSplitter({ limits }: SubmitDeps, format: LineFormat, { model }: CatalogEntry) {
  const columns: CsvColumn[] = [];
  const options = {
    format,
    maxRows: rowsPerChunk(model.seconds_per_row),
    maxBytes: CHUNK_BYTES,
    maxRecordBytes: limits.maxRowBytes,
  };
  const onHeader = (header: Uint8Array) => void columns.push(...parseHeader(header, model.manifest));
  return { columns, splitter: new ChunkSplitter(format === 'csv' ? { ...options, onHeader } : options) };
}

function streamLimits({ limits }: SubmitDeps) {
  return { maxBytes: limits.maxBodyBytes, idleMs: limits.uploadIdleMs };
}

function wholeLimits({ limits }: SubmitDeps, hint: string) {
  return { maxBytes: Math.min(limits.maxJsonBytes, limits.maxBodyBytes), idleMs: limits.uploadIdleMs, hint };
}

async function* countBytes({ metrics }: SubmitDeps, format: BodyFormat, pieces: AsyncIterable<Uint8Array>) {
  for await (const piece of pieces) {
    metrics.received(format, piece.length);
    yield piece;
  }
}
