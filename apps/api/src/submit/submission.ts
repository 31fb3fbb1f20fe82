/** Understands a request as far as its kind asks for: which model, which options, and its rows as lines. */
import { BatchError } from '@millrace/batch/errors';
import { modelKey, rowsPerChunk } from '@millrace/batch/model';
import { parseHeader } from '@millrace/batch/rows/csv';
import { decodeChunk } from '@millrace/batch/rows/decode-chunk';
import { type CsvColumn, RowReader } from '@millrace/batch/rows/row-reader';
import { refuseInvalid, validateRows } from '@millrace/batch/rows/validate-rows';
import { ChunkSplitter } from '@millrace/batch/split/chunk-splitter';
import type { LineFormat } from '@millrace/batch/split/record-borders';
import type { Catalog, CatalogEntry } from '@millrace/queue/catalog';
import type { Request } from 'express';
import type { ApiMetrics } from '../metrics.js';
import { parseParameters } from '../query.js';
import { type BodyFormat, bodyFormat, readBody, readWholeBody } from './body.js';
import { parseJsonBody, toLines } from './json-body.js';
import { mergeOptions, SubmitOptions } from './options.js';

export interface SubmissionDeps {
  catalog: Catalog;
  metrics: ApiMetrics;
  limits: { maxJsonBytes: number; maxBodyBytes: number; maxRowBytes: number; uploadIdleMs: number };
}

/** What is to be predicted with which model. */
export interface Submission {
  entry: CatalogEntry;
  /** What was sent. */
  sentAs: BodyFormat;
  /** What is stored: JSON becomes lines. */
  format: LineFormat;
  /** From the acceptance of the task; without it, it has all the time it needs. */
  expiresInMs: number | undefined;
  bytes: AsyncIterable<Uint8Array> | Iterable<Uint8Array>;
}

const CHUNK_BYTES = 1024 * 1024;

/** @throws BatchError for everything that can be known before the rows are taken in */
export async function readSubmission(deps: SubmissionDeps, request: Request): Promise<Submission> {
  const options = parseParameters(SubmitOptions, request.query, 'query parameter');
  const format = bodyFormat(request);
  if (format === 'json') return readJson(deps, request, options);
  const entry = await resolveModel(deps, options.model);
  const expiresInMs = milliseconds(options.expires_in);
  return options.on_invalid === 'reject'
    ? { ...(await readCheckedLines(deps, request, format, entry)), expiresInMs }
    : { entry, sentAs: format, format, expiresInMs, bytes: streamBody(deps, request, format) };
}

async function readJson(deps: SubmissionDeps, request: Request, query: SubmitOptions): Promise<Submission> {
  const body = await readWholeBody(request, wholeLimits(deps, 'send large batches as application/x-ndjson'));
  deps.metrics.received('json', body.length);
  const { rows, options, pointer } = parseJsonBody(body);
  const { model, on_invalid: onInvalid, expires_in: expiresIn } = mergeOptions(query, options);
  const entry = await resolveModel(deps, model);
  if (onInvalid !== 'report') validateRows(rows, new RowReader(entry.model.manifest), pointer);
  const expiresInMs = milliseconds(expiresIn);
  return { entry, sentAs: 'json', format: 'ndjson', expiresInMs, bytes: [toLines(rows)] };
}

/** Lines that are to be refused whole when one is bad must be read whole before they are accepted. */
async function readCheckedLines(
  deps: SubmissionDeps,
  request: Request,
  format: LineFormat,
  entry: CatalogEntry,
): Promise<Omit<Submission, 'expiresInMs'>> {
  const hint = 'on_invalid=reject reads the body whole; without it any size is streamed';
  const body = await readWholeBody(request, wholeLimits(deps, hint));
  deps.metrics.received(format, body.length);
  const reader = new RowReader(entry.model.manifest);
  const { splitter, columns } = createSplitter(deps, format, entry);
  const chunks = [...splitter.push(body), ...splitter.end()];
  const invalid = chunks.flatMap((chunk) => decodeChunk({ ...chunk, format, columns }, reader).errors);
  refuseInvalid(invalid, splitter.rowsSeen);
  return { entry, sentAs: format, format, bytes: [body] };
}

function milliseconds(seconds: number | undefined): number | undefined {
  return seconds === undefined ? undefined : seconds * 1000;
}

async function resolveModel({ catalog }: SubmissionDeps, ref: string | undefined): Promise<CatalogEntry> {
  if (ref !== undefined) return catalog.resolve(ref);
  const models = (await catalog.list()).map((entry) => modelKey(entry.model));
  throw new BatchError('model_required', 'say which model, for example ?model=name', { models });
}

/** `columns` is filled by the header line, which comes before the first chunk; it stays empty for NDJSON. */
export function createSplitter({ limits }: SubmissionDeps, format: LineFormat, { model }: CatalogEntry) {
  const columns: CsvColumn[] = [];
  const options = {
    format,
    maxRows: rowsPerChunk(model),
    maxBytes: CHUNK_BYTES,
    maxRecordBytes: limits.maxRowBytes,
  };
  const onHeader = (header: Uint8Array) => void columns.push(...parseHeader(header, model.manifest));
  return { columns, splitter: new ChunkSplitter(format === 'csv' ? { ...options, onHeader } : options) };
}

function wholeLimits({ limits }: SubmissionDeps, hint: string) {
  return { maxBytes: Math.min(limits.maxJsonBytes, limits.maxBodyBytes), idleMs: limits.uploadIdleMs, hint };
}

async function* streamBody(
  { limits, metrics }: SubmissionDeps,
  request: Request,
  format: LineFormat,
): AsyncGenerator<Uint8Array> {
  const bounds = { maxBytes: limits.maxBodyBytes, idleMs: limits.uploadIdleMs };
  for await (const piece of readBody(request, bounds)) {
    metrics.received(format, piece.length);
    yield piece;
  }
}
