/** `GET /batch-result/:id`: where a task stands, and its result once it is finished. */
import { BatchError } from '@millrace/batch/errors';
import { isTerminal } from '@millrace/batch/status';
import { taskView } from '@millrace/batch/task';
import type { Catalog } from '@millrace/queue/catalog';
import type { FinishedEvents } from '@millrace/queue/finished-events';
import type { Request, RequestHandler } from 'express';
import { z } from 'zod';
import { waitingFor } from '../models.js';
import { parseParameters } from '../query.js';
import { sendJson } from '../send-json.js';
import { readOwn, unknownTask } from './own-task.js';
import { type ResultDeps, type ResultFormat, sendResult } from './send-result.js';
import { preferredWait, waitForEnd } from './wait.js';

export interface ResultRouteDeps extends ResultDeps {
  catalog: Catalog;
  events: FinishedEvents;
}

export const ResultQuery = z.object({
  /** What the model shows by default, one output per row, or objects with every output. */
  outputs: z.enum(['default', 'primary', 'all'], 'must be default, primary or all').default('default'),
});

const FORMATS: Record<string, ResultFormat> = {
  'application/json': 'json',
  'application/x-ndjson': 'ndjson',
  'application/ndjson': 'ndjson',
  'application/jsonl': 'ndjson',
  'text/csv': 'csv',
};

export function resultRoute(deps: ResultRouteDeps): RequestHandler<{ id: string }> {
  return async (request, response) => {
    const { outputs } = parseParameters(ResultQuery, request.query, 'query parameter');
    const format = resultFormat(request);
    response.vary('Accept');
    const { client } = response.locals;
    const { id } = request.params;
    response.locals.taskId = id;
    const found = await readOwn(deps.store, id, client);
    const waitMs = preferredWait(request);
    const task = waitMs === undefined ? found : await waitForEnd(deps, response, found, waitMs);
    if (task === undefined) throw unknownTask();
    if (isTerminal(task.status)) return sendResult(deps, response, task, format, outputs);
    response.status(format === 'json' ? 200 : 202).set('Retry-After', '1');
    sendJson(response, taskView(task, waitingFor(task, await deps.catalog.get(task.model))));
  };
}

/** @throws BatchError `not_acceptable` */
function resultFormat(request: Request<{ id: string }>): ResultFormat {
  const accepted = request.accepts(Object.keys(FORMATS));
  const format = accepted === false ? undefined : FORMATS[String(accepted)];
  if (format !== undefined) return format;
  throw new BatchError('not_acceptable', `results come as ${Object.keys(FORMATS).join(', ')}`);
}
