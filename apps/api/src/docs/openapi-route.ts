/** `GET /openapi.json`: the document, made anew when the catalogue has changed. */
import { createHash } from 'node:crypto';
import { modelPin } from '@millrace/batch/model';
import type { Catalog, CatalogModel } from '@millrace/queue/catalog';
import type { RequestHandler } from 'express';
import { openApiDocument } from './document.js';

export function openApiRoute(catalog: Catalog): RequestHandler {
  let cached: { key: string; text: string; etag: string } | undefined;
  return async (_request, response) => {
    const models = await catalog.models();
    const key = keyOf(models);
    if (cached?.key !== key) {
      const text = `${JSON.stringify(openApiDocument(models))}\n`;
      cached = { key, text, etag: `"${createHash('sha256').update(text).digest('base64url')}"` };
    }
    // It names the models, which without a key nobody is told: no cache between may keep it.
    response.set({ 'Cache-Control': 'private, no-cache', ETag: cached.etag });
    response.type('application/json').send(cached.text);
  };
}

/** All that the document is made of: the pin stands for the manifest, but not for the example. */
function keyOf(models: readonly CatalogModel[]): string {
  return JSON.stringify(
    models.map(({ versions, aliases }) => [
      versions.map(({ model }) => [modelPin(model), model.example]),
      aliases,
    ]),
  );
}
