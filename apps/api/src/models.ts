/** The models as clients see them. */
import { modelKey } from '@millrace/batch/model';
import { isTerminal } from '@millrace/batch/status';
import type { Task } from '@millrace/batch/task';
import type { Catalog, CatalogEntry } from '@millrace/queue/catalog';
import type { RequestHandler } from 'express';
import { sendJson } from './send-json.js';

export function listModelsRoute(catalog: Catalog): RequestHandler {
  return async (_request, response) => {
    sendJson(response, { models: (await catalog.list()).map(modelView) });
  };
}

/** `GET /v1/models/iris` or `/v1/models/iris@1`. */
export function showModelRoute(catalog: Catalog): RequestHandler<{ model: string }> {
  return async (request, response) => {
    sendJson(response, modelView(await catalog.resolve(request.params.model)));
  };
}

function modelView({ model, workers }: CatalogEntry): Record<string, unknown> {
  const { name, version, digest, manifest, example } = model;
  return { model: modelKey(model), name, version, digest, workers, manifest, example };
}

/** Why an unfinished task does not move; undefined when somebody works on it. */
export function waitingFor(task: Task, entry: CatalogEntry | undefined): string | undefined {
  if (isTerminal(task.status)) return undefined;
  if (entry === undefined || entry.model.fingerprint === task.fingerprint) {
    return entry !== undefined && entry.workers > 0 ? undefined : `a worker that serves ${task.model}`;
  }
  // A worker that has seen the change serves both; this cannot be told from here.
  return `a worker that serves ${task.model} with the files that it had when the task was accepted; they have changed since`;
}
