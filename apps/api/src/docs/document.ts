/** The OpenAPI document of the API with the models that are in the catalogue now. */
import { Manifest } from '@millrace/batch/manifest/manifest';
import type { CatalogModel } from '@millrace/queue/catalog';
import { createDocument, type oas31 } from 'zod-openapi';
import { Model, ModelList, pageOf, RowError, resultOf, Task } from './answers.js';
import { modelSchemas } from './model-schemas.js';
import { operations } from './operations.js';
import { Problem } from './problems.js';
import { Run, Schedule } from './schedule-answers.js';

/** The name of the security scheme, by which the page hands over its key. */
const KEY = 'key';

const ABOUT = `Submit rows in bulk, get the id of a task at once, poll for the result.

Every answer carries \`X-Request-Id\`: the request's own or a new one. Refusals are \`application/problem+json\` (RFC 9457) with a stable \`code\`; a path that is not there is 404 \`not_found\`, a method that it does not take 405 \`method_not_allowed\`. Members may be added to every answer.`;

export function openApiDocument(models: readonly CatalogModel[]): oas31.OpenAPIObject {
  const schemas = modelSchemas(models);
  const result = resultOf(schemas.prediction);
  const page = pageOf(schemas.prediction);
  // Schemas that are used more than once are named here, and referenced wherever these very objects are used.
  const named = {
    Task,
    Result: result,
    Page: page,
    RowError,
    Model,
    ModelList,
    Manifest,
    Schedule,
    Run,
    Problem,
    ...schemas.components,
  };
  return createDocument(
    {
      openapi: '3.1.1',
      info: { title: 'Millrace', version: '1', description: ABOUT },
      tags: [
        { name: 'Batches', description: 'Rows in, predictions out.' },
        { name: 'Models', description: 'What can be asked.' },
        { name: 'Schedules', description: 'Rows from a source, results into a sink, by the clock.' },
        { name: 'Operation', description: 'For those who run it.' },
      ],
      // Either, as it is for the operator to say whether keys are needed.
      security: [{}, { [KEY]: [] }],
      paths: operations(schemas, result, page),
      components: {
        securitySchemes: {
          [KEY]: {
            type: 'http',
            scheme: 'bearer',
            description: 'The key that you were given, where the API asks for one.',
          },
        },
        schemas: named,
      },
    },
    { override: allowMoreMembers },
  );
}

/** Answers may get further members: only schemas that are strict by themselves are closed. */
const allowMoreMembers: NonNullable<NonNullable<Parameters<typeof createDocument>[1]>['override']> = ({
  zodSchema,
  jsonSchema,
}) => {
  const { def } = zodSchema._zod;
  if (def.type === 'object' && def.catchall === undefined) delete jsonSchema.additionalProperties;
};
