/**
 * The rows of a JSON body as lines: as they stand in it when all of them are good and written in one way, which is quickly
 * seen; otherwise parsed, and written anew.
 */
import { BatchError } from '@millrace/batch/errors';
import { linesOfList } from '@millrace/batch/rows/list-lines';
import { RowReader } from '@millrace/batch/rows/row-reader';
import { validateRows } from '@millrace/batch/rows/validate-rows';
import type { Catalog, CatalogEntry } from '@millrace/queue/catalog';
import { openJsonBody, parseJsonBody, toLines } from './json-body.js';
import { mergeOptions, resultOptions, type SubmitOptions, type SubmitQuery } from './options.js';
import { resolveModel } from './resolve-model.js';

export interface JsonRequest {
  catalog: Catalog;
  query: SubmitQuery;
  body: Buffer;
  maxRowBytes: number;
}

export interface JsonLines {
  entry: CatalogEntry;
  /** Of query and body. */
  options: SubmitOptions;
  lines: Uint8Array;
}

/**
 * Bad rows refuse the body, unless they are to be reported.
 * @throws BatchError as `parseJsonBody` and `resolveModel`; `conflicting_parameter`, `invalid_rows`
 */
export async function readJsonLines(request: JsonRequest): Promise<JsonLines> {
  return (await readAsSent(request)) ?? readParsed(request);
}

/** @returns undefined for a body that is to be parsed, which also says what is wrong with it */
async function readAsSent({
  catalog,
  query,
  body,
  maxRowBytes,
}: JsonRequest): Promise<JsonLines | undefined> {
  const opened = openJsonBody(body);
  if (opened === undefined) return undefined;
  try {
    const options = mergeOptions(resultOptions(query), opened.options);
    const entry = await resolveModel(catalog, options.model);
    const lines = linesOfList(opened.list, new RowReader(entry.model.manifest), maxRowBytes);
    return lines && { entry, options, lines };
  } catch (error) {
    if (error instanceof BatchError) return undefined;
    throw error;
  }
}

async function readParsed({ catalog, query, body }: JsonRequest): Promise<JsonLines> {
  const { rows, options: given, pointer } = parseJsonBody(body);
  const options = mergeOptions(resultOptions(query), given);
  const entry = await resolveModel(catalog, options.model);
  const isReported = options.on_invalid === 'report' || query.validate_only === 'true';
  if (!isReported) validateRows(rows, new RowReader(entry.model.manifest), pointer);
  return { entry, options, lines: toLines(rows) };
}
