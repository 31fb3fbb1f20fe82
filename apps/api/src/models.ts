/** The models as clients see them: what a row and a prediction look like, which versions there are, and what is wrong. */

import { predictionSchema, rowSchema } from '@millrace/batch/manifest/row-schema';
import { modelKey } from '@millrace/batch/model';
import { isTerminal } from '@millrace/batch/status';
import type { Task } from '@millrace/batch/task';
import type { Catalog, CatalogEntry, CatalogModel } from '@millrace/queue/catalog';
import type { RequestHandler } from 'express';
import { z } from 'zod';
import { sendJson } from './send-json.js';

/** `GET /v1/models`: every version that is offered, and those that are refused. */
export function listModelsRoute(catalog: Catalog): RequestHandler {
  return async (_request, response) => {
    const models = await catalog.models();
    sendJson(response, {
      models: models.flatMap((model) => model.versions.map((entry) => versionView(model, entry))),
      refused: models.flatMap(({ refused }) => refused),
    });
  };
}

/** `GET /v1/models/iris`, `/v1/models/iris@1` or `/v1/models/iris@champion`. */
export function showModelRoute(catalog: Catalog): RequestHandler<{ model: string }> {
  return async (request, response) => {
    const ref = request.params.model;
    const [name = ref] = ref.split('@');
    const model = await catalog.model(name);
    const shown = { name, versions: versionsView(model), ...problemsView(model) };
    // A model of which no version is served is shown for the reasons; a version that is asked for must be there.
    if (ref === name && model.versions.length === 0) return sendJson(response, shown);
    const entry = await catalog.resolve(ref);
    sendJson(response, { ...versionView(model, entry), ...howToUse(entry), ...shown });
  };
}

function versionView({ aliases }: CatalogModel, { model, workers }: CatalogEntry): Record<string, unknown> {
  const { name, version, digest, doubt, manifest, example } = model;
  return {
    model: modelKey(model),
    name,
    version,
    digest,
    workers,
    aliases: aliasesOf(aliases, version),
    ...(doubt === undefined ? {} : { doubt }),
    manifest,
    example,
  };
}

/** A request that works as it stands, and the JSON Schemas of what goes in and comes out. */
function howToUse({ model }: CatalogEntry): Record<string, unknown> {
  const { manifest, example } = model;
  return {
    example_request: {
      method: 'POST',
      path: `/batch-predict?model=${modelKey(model)}`,
      headers: { 'content-type': 'application/json' },
      body: [example],
    },
    row_schema: z.toJSONSchema(rowSchema(manifest), { io: 'input' }),
    prediction_schema: z.toJSONSchema(predictionSchema(manifest, 'default'), { io: 'input' }),
  };
}

/** The served versions and the refused ones, by rising version. */
function versionsView({ versions, refused, aliases }: CatalogModel): Record<string, unknown>[] {
  const served = versions.map(({ model, workers }) => {
    const refusal = refused.find(({ version }) => version === String(model.version));
    return {
      version: model.version,
      status: 'served',
      digest: model.digest,
      workers,
      aliases: aliasesOf(aliases, model.version),
      // Its files have been changed into something that cannot be served, or a worker has others.
      ...(refusal === undefined ? {} : { problem: refusal.reason }),
    };
  });
  const others = refused
    .filter(({ version }) => !versions.some(({ model }) => String(model.version) === version))
    .map(({ version, reason }) => ({
      version: version === '' ? null : Number(version) || version,
      status: 'refused',
      reason,
    }));
  return [...served, ...others].sort((a, b) => Number(a.version) - Number(b.version));
}

function problemsView({ aliasProblems }: CatalogModel): Record<string, unknown> {
  return aliasProblems.length === 0 ? {} : { alias_problems: aliasProblems };
}

function aliasesOf(aliases: Record<string, number>, version: number): string[] {
  return Object.keys(aliases).filter((alias) => aliases[alias] === version);
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
