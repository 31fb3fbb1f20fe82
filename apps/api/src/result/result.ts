/** `GET /batch-result/:id`: where a task stands, and its result once it is finished. */
import { BatchError } from '@millrace/batch/errors';
import { isTerminal } from '@millrace/batch/status';
import type { Catalog } from '@millrace/queue/catalog';
import type { FinishedEvents } from '@millrace/queue/finished-events';
import type { Request, RequestHandler } from 'express';
import { z } from 'zod';
import { waitingFor } from '../models.js';
import { parseParameters } from '../query.js';
import { sendJson } from '../send-json.js';
import { type OwnTaskDeps, readable, readOwn, unknownTask } from './own-task.js';
import { type Cursor, parseCursor, resultPage } from './page.js';
import type { ResultFormat } from './result-parts.js';
import { type FollowedDeps, sendFollowed, sendResult } from './send-result.js';
import { describeTask } from './task-answer.js';
import { preferredWait, waitForEnd } from './wait.js';

export interface ResultRouteDeps extends FollowedDeps, OwnTaskDeps {
  catalog: Catalog;
  events: FinishedEvents;
}

const PAGE_MAX = 10_000;

export const ResultQuery = z.object({
  /** What the model shows by default, one output per row, or objects with every output. */
  outputs: z.enum(['default', 'primary', 'all'], 'must be default, primary or all').default('default'),
  /** `0`, then the `next` of the last page: the finished rows from there on, while the task runs or after. JSON only. */
  after: z
    .string()
    .refine((text) => parseCursor(text) !== undefined, 'must be 0, or the "next" of an earlier page')
    .optional(),
  /** Rows of a page. */
  limit: z
    .string()
    .regex(/^[1-9]\d{0,4}$/, `must be from 1 to ${PAGE_MAX}`)
    .transform(Number)
    .pipe(z.number().max(PAGE_MAX, `must be from 1 to ${PAGE_MAX}`))
    .optional(),
  /** The first row of a download that goes on where another broke off. Not with JSON. */
  from_row: z
    .string()
    .regex(/^\d{1,15}$/, 'must be the number of a row, from 0')
    .transform(Number)
    .optional(),
  /** `true` answers at once and gives each row when it is finished, until the task ends. NDJSON and CSV only. */
  follow: z.enum(['true', 'false'], 'must be true or false').optional(),
});
export type ResultQuery = z.infer<typeof ResultQuery>;

const PAGE_ROWS = 1_000;

const FORMATS: Record<string, ResultFormat> = {
  'application/json': 'json',
  'application/x-ndjson': 'ndjson',
  'application/ndjson': 'ndjson',
  'application/jsonl': 'ndjson',
  'text/csv': 'csv',
  'application/vnd.apache.arrow.stream': 'arrow',
};

export function resultRoute(deps: ResultRouteDeps): RequestHandler<{ id: string }> {
  return async (request, response) => {
    const query = parseParameters(ResultQuery, request.query, 'query parameter');
    const { outputs, after, limit } = query;
    const format = after === undefined ? resultFormat(request) : 'json';
    refuseConflicts(query, format);
    response.vary('Accept');
    const { client } = response.locals;
    const { id } = request.params;
    response.locals.taskId = id;
    const found = await readOwn(deps, id, client);
    const options = { format, outputs, fromRow: query.from_row ?? 0 };
    if (query.follow === 'true') return sendFollowed(deps, response, found, options);
    const waitMs = preferredWait(request);
    const task = waitMs === undefined ? found : await waitForEnd(deps, response, found, waitMs);
    if (task === undefined) throw unknownTask();
    readable(task);
    if (after !== undefined) {
      const page = await resultPage(deps, task, parseCursor(after) as Cursor, limit ?? PAGE_ROWS, outputs);
      response.type('application/json').send(page);
      return;
    }
    if (isTerminal(task.status)) return sendResult(deps, response, task, options);
    response.status(format === 'json' ? 200 : 202).set('Retry-After', '1');
    const waiting = waitingFor(task, await deps.catalog.get(task.model));
    sendJson(response, await describeTask(deps, task, waiting));
  };
}

/** @throws BatchError `conflicting_parameter` */
function refuseConflicts(
  { after, limit, from_row: fromRow, follow }: ResultQuery,
  format: ResultFormat,
): void {
  if (limit !== undefined && after === undefined) {
    throw new BatchError('conflicting_parameter', 'limit is for pages, which begin with after=0');
  }
  if (format === 'json' && fromRow !== undefined) {
    throw new BatchError(
      'conflicting_parameter',
      'from_row is for NDJSON, CSV and Arrow, which Accept asks for',
    );
  }
  if ((format === 'json' || format === 'arrow') && follow === 'true') {
    throw new BatchError('conflicting_parameter', 'follow is for NDJSON and CSV, which Accept asks for');
  }
}

/** @throws BatchError `not_acceptable` */
function resultFormat(request: Request<{ id: string }>): ResultFormat {
  const accepted = request.accepts(Object.keys(FORMATS));
  const format = accepted === false ? undefined : FORMATS[String(accepted)];
  if (format !== undefined) return format;
  throw new BatchError('not_acceptable', `results come as ${Object.keys(FORMATS).join(', ')}`);
}
