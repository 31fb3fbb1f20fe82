/** Understands a request as far as its kind asks for: which model, which options, and its rows as pieces. */
import type { RowCheck } from '@millrace/batch/rows/row-check';
import { refuseInvalid } from '@millrace/batch/rows/validate-rows';
import type { Catalog, CatalogEntry } from '@millrace/queue/catalog';
import type { Admission } from '@millrace/tasks/admission';
import type { Request, Response } from 'express';
import type { ApiMetrics } from '../metrics.js';
import { parseParameters } from '../query.js';
import { type BodyFormat, type BodyLimits, bodyFormat, readBody } from './body.js';
import type { BodyMemory } from './body-memory.js';
import type { BodyRoom, PieceFormat, RecordLimits } from './body-splitter.js';
import { type CheckedRows, checkRows } from './check-rows.js';
import { type JsonLines, readJsonLines } from './json-lines.js';
import { SubmitQuery } from './options.js';
import type { ParquetBodies } from './parquet-bodies.js';
import { resolveModel } from './resolve-model.js';
import type { WholeBodies } from './whole-bodies.js';

export interface SubmissionDeps {
  catalog: Catalog;
  metrics: ApiMetrics;
  admission: Admission;
  wholeBodies: WholeBodies;
  parquetBodies: ParquetBodies;
  batchMemory: BodyMemory;
  limits: RecordLimits & {
    maxJsonBytes: number;
    maxParquetBytes: number;
    maxBodyBytes: number;
    maxGzipRatio: number;
    uploadIdleMs: number;
  };
}

/** What is to be predicted with which model. */
export interface Submission {
  entry: CatalogEntry;
  /** What was sent. */
  sentAs: BodyFormat;
  /** Of the pieces: JSON becomes lines. */
  format: PieceFormat;
  /** From the acceptance of the task; without it, it has all the time it needs. */
  expiresInMs: number | undefined;
  bytes: AsyncIterable<Uint8Array> | Iterable<Uint8Array>;
}

/** A request whose head is understood and whose body is still to be read. */
export interface Intake {
  request: Request;
  format: BodyFormat;
  query: SubmitQuery;
  /** Hears every piece of the body, inflated, before anything is made of it. */
  onPiece(piece: Uint8Array): void;
}

/** @throws BatchError `unknown_parameter`, `invalid_parameter`, `unsupported_media_type` */
export function openIntake({ metrics }: SubmissionDeps, request: Request): Intake {
  const query = parseParameters(SubmitQuery, request.query, 'query parameter');
  const format = bodyFormat(request);
  return { request, format, query, onPiece: (piece) => metrics.received(format, piece.length) };
}

/** @throws BatchError for everything that can be known before the rows are taken in */
export async function readSubmission(deps: SubmissionDeps, intake: Intake): Promise<Submission> {
  const { format, query } = intake;
  if (format === 'json') return readJson(deps, intake);
  const entry = await resolveModel(deps.catalog, query.model);
  const expiresInMs = milliseconds(query.expires_in);
  return query.on_invalid === 'reject'
    ? { ...(await readChecked(deps, intake, format, entry)), expiresInMs }
    : { entry, sentAs: format, format, expiresInMs, bytes: await openPieces(deps, intake, format) };
}

async function readJson(deps: SubmissionDeps, intake: Intake): Promise<Submission> {
  const { entry, options, lines } = await readJsonBody(deps, intake);
  const expiresInMs = milliseconds(options.expires_in);
  return { entry, sentAs: 'json', format: 'ndjson', expiresInMs, bytes: [lines] };
}

export async function readJsonBody(deps: SubmissionDeps, intake: Intake): Promise<JsonLines> {
  const body = await readWholeBody(deps, intake);
  const { catalog, limits } = deps;
  return readJsonLines({ catalog, query: intake.query, body, maxRowBytes: limits.maxRowBytes });
}

/** Rows that are to be refused whole when one is bad must be read whole before they are accepted. */
async function readChecked(
  deps: SubmissionDeps,
  intake: Intake,
  format: PieceFormat,
  entry: CatalogEntry,
): Promise<Omit<Submission, 'expiresInMs'>> {
  const body = await readWholeBody(deps, intake);
  const pieces = () => (format === 'parquet' ? deps.parquetBodies.unpack(body) : [body]);
  const check = await checkForClient(deps, intake, { entry, format, bytes: pieces() });
  refuseInvalid(check.report());
  return { entry, sentAs: format, format, bytes: pieces() };
}

/** Checks rows until all are, or the client of the request has gone. @throws BatchError as `checkRows` */
export function checkForClient(deps: SubmissionDeps, intake: Intake, rows: CheckedRows): Promise<RowCheck> {
  const response = intake.request.res as Response;
  const bounds = { room: roomFor(deps, response), maxRows: deps.admission.clientRows };
  return checkRows(rows, bounds, response);
}

export function milliseconds(seconds: number | undefined): number | undefined {
  return seconds === undefined ? undefined : seconds * 1000;
}

/** What a body may be: JSON, Parquet, and rows that are refused whole when one is bad, are read whole. */
function bodyLimits({ limits }: SubmissionDeps, { format, query }: Intake): BodyLimits {
  const { maxBodyBytes, maxJsonBytes, maxParquetBytes, maxGzipRatio, uploadIdleMs: idleMs } = limits;
  if (format === 'parquet') {
    const hint = 'send an Arrow stream (application/vnd.apache.arrow.stream) or NDJSON, of any size';
    return { maxBytes: Math.min(maxParquetBytes, maxBodyBytes), maxGzipRatio, idleMs, hint };
  }
  if (format !== 'json' && query.on_invalid !== 'reject') {
    return { maxBytes: maxBodyBytes, maxGzipRatio, idleMs };
  }
  const hint =
    format === 'json'
      ? 'send large batches as application/x-ndjson'
      : 'on_invalid=reject reads the body whole; without it any size is streamed';
  return { maxBytes: Math.min(maxJsonBytes, maxBodyBytes), maxGzipRatio, idleMs, hint };
}

/** What the body of a request may take. */
export function roomFor({ limits, batchMemory }: SubmissionDeps, response: Response): BodyRoom {
  return { ...limits, hold: batchMemory.of(response) };
}

/** The rows in pieces that the splitter of their format takes. */
export async function openPieces(
  deps: SubmissionDeps,
  intake: Intake,
  format: PieceFormat,
): Promise<AsyncIterable<Uint8Array>> {
  if (format !== 'parquet') return streamBody(deps, intake);
  return deps.parquetBodies.unpack(await readWholeBody(deps, intake));
}

/** The body piece by piece. */
export async function* streamBody(deps: SubmissionDeps, intake: Intake): AsyncGenerator<Uint8Array> {
  for await (const piece of readBody(intake.request, bodyLimits(deps, intake))) {
    intake.onPiece(piece);
    yield piece;
  }
}

function readWholeBody(deps: SubmissionDeps, intake: Intake): Promise<Buffer> {
  const bodies = intake.format === 'parquet' ? deps.parquetBodies.files : deps.wholeBodies;
  return bodies.read(streamBody(deps, intake), intake.request.res as Response);
}
