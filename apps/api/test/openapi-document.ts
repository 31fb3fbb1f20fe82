/** The document of an application as it stands, and what its schemas say of values. */
import type { ModelAliases, ModelDescriptor, Refusal } from '@millrace/batch/model';
import { Ajv2020 } from 'ajv/dist/2020.js';
import type { Express } from 'express';
import request from 'supertest';
import type { Harness } from './harness.js';

// biome-ignore lint/suspicious/noExplicitAny: the tests walk through a document
export type Json = any;

export async function readDocument(app: Express): Promise<Json> {
  const call = request(app).get('/openapi.json');
  return (await call.expect(200).expect('content-type', /^application\/json/)).body;
}

/** Validates values against a schema of the document. */
export function validatorFor(document: Json, schema: Json): (value: unknown) => unknown {
  const ajv = new Ajv2020({ strict: false, validateFormats: false });
  const validate = ajv.compile({ ...schema, components: document.components });
  return (value) => (validate(value) ? [] : validate.errors);
}

/** Has a worker say what it serves. */
export async function publish(
  { publisher }: Harness,
  served: ModelDescriptor[],
  aliases: Record<string, ModelAliases> = {},
  refused: Refusal[] = [],
): Promise<void> {
  await publisher.beat({ served, refused, aliases }, Date.now());
}
