/** The paths of the document: what each takes, and everything that it may answer. */
import { z } from 'zod';
import type { ZodOpenApiOperationObject, ZodOpenApiPathsObject } from 'zod-openapi';
import { Alive, Model, ModelList, Ready } from './answers.js';
import { cancel, erase, poll, retry, submit } from './batch-operations.js';
import { type ModelSchemas, withExamples } from './model-schemas.js';
import { problemResponses } from './problems.js';
import { scheduleOperations } from './schedule-operations.js';

const JSON_TYPE = 'application/json';

/** @param result of a finished task @param page of its rows */
export function operations(models: ModelSchemas, result: z.ZodType, page: z.ZodType): ZodOpenApiPathsObject {
  return {
    ...twins('/batch-predict', { post: submit(models, result) }),
    ...twins('/batch-result/{id}', { get: poll(result, page), delete: erase() }),
    ...twins('/batch-result/{id}/cancel', { post: cancel() }),
    ...twins('/batch-result/{id}/retry', { post: retry(result) }),
    '/v1/models': { get: get('listModels', 'Models', 'The versions that are served', ModelList) },
    '/v1/models/{model}': {
      get: {
        ...get('showModel', 'Models', 'One model: how to use it, and its versions', Model),
        requestParams: {
          path: z.object({
            model: z.string().meta({
              description: '`name` (the highest version), `name@version` or `name@alias`.',
              param: withExamples(models.refs),
            }),
          }),
        },
        responses: { 200: ok('The model.', Model), ...problemResponses('unknown_model', 'not_found') },
      },
    },
    ...scheduleOperations(),
    '/healthz': {
      get: { ...get('alive', 'Operation', 'The process lives', Alive), ...open(Alive) },
    },
    '/readyz': {
      get: {
        ...get('ready', 'Operation', 'Redis answers and a live worker serves a model', Ready),
        ...open(Ready),
        responses: { 200: ok('Ready.', Ready), 503: ok('Not ready; `problems` says why.', Ready) },
      },
    },
    '/metrics': {
      get: {
        ...get('metrics', 'Operation', 'Metrics for Prometheus', z.string()),
        responses: {
          200: { description: 'The metrics.', content: { 'text/plain': { schema: z.string() } } },
          ...problemResponses(),
        },
      },
    },
    '/openapi.json': {
      get: get('openapi', 'Operation', 'This document', z.record(z.string(), z.unknown())),
    },
  };
}

type Operations = Partial<Record<'get' | 'post' | 'delete', ZodOpenApiOperationObject>>;

/** Both paths have the same operations; an id may be used once. */
function twins(path: string, operations: Operations): ZodOpenApiPathsObject {
  const unversioned = Object.entries(operations).map(([method, operation]) => {
    const operationId = `${operation.operationId}Unversioned`;
    return [method, { ...operation, operationId, summary: `${operation.summary}, as at /v1${path}` }];
  });
  return { [`/v1${path}`]: operations, [path]: Object.fromEntries(unversioned) };
}

function get(
  operationId: string,
  tag: string,
  summary: string,
  schema: z.ZodType,
): ZodOpenApiOperationObject {
  return {
    operationId,
    tags: [tag],
    summary,
    responses: { 200: ok(`${summary}.`, schema), ...problemResponses() },
  };
}

/** Answers without a key, and never with a problem. */
function open(schema: z.ZodType): Pick<ZodOpenApiOperationObject, 'security' | 'responses'> {
  return { security: [], responses: { 200: ok('It is.', schema) } };
}

function ok(description: string, schema: z.ZodType) {
  return { description, content: { [JSON_TYPE]: { schema } } };
}
