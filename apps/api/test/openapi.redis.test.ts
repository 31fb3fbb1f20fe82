import { REQUEST_CODES, type RequestCode } from '@millrace/batch/errors';
import { Validator } from '@seriousme/openapi-schema-validator';
import request from 'supertest';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { useRedis } from '../../../test/fixtures/redis.js';
import { STATUS } from '../dist/problem.js';
import { ALL, IRIS } from './every-model.js';
import { type Harness, startHarness } from './harness.js';
import { type Json, publish, readDocument } from './openapi-document.js';

const redis = useRedis();
let harness: Harness;

beforeEach(async () => {
  harness = await startHarness(redis.url, redis.freshKeys());
});
afterEach(() => harness.stop());

describe('the document is OpenAPI 3.1', () => {
  it.each([
    ['without models', []],
    ['with iris', [IRIS]],
    ['with every feature type and every way to print', ALL],
  ])('%s', async (_, served) => {
    await publish(harness, served);
    const document = await readDocument(harness.app);
    expect(document.openapi).toMatch(/^3\.1\./);
    const result = await new Validator().validate(structuredClone(document));
    expect(result.errors ?? []).toEqual([]);
    expect(result.valid).toBe(true);
    const names = Object.keys(document.components.schemas);
    for (const { name, version } of served) {
      expect(names).toContain(`${name}.v${version}.Row`);
      expect(names).toContain(`${name}.v${version}.Prediction`);
    }
    for (const name of names) expect(name).toMatch(/^[a-zA-Z0-9._-]+$/);
    const ids = Object.values<Json>(document.paths).flatMap((path) =>
      Object.values<Json>(path).map(({ operationId }) => operationId),
    );
    expect(new Set(ids).size).toBe(ids.length);
  });

  it('has a schema behind every reference', async () => {
    await publish(harness, ALL);
    const document = await readDocument(harness.app);
    const refs = [...JSON.stringify(document).matchAll(/"\$ref":"#\/components\/schemas\/([^"]+)"/g)];
    expect(refs.length).toBeGreaterThan(ALL.length);
    for (const [, name] of refs) expect(document.components.schemas).toHaveProperty([name as string]);
  });
});

describe('the document and the application agree', () => {
  it('on the paths and methods', async () => {
    const layers: Json[] = (harness.app.router as Json).stack;
    const routes = layers.flatMap(({ route }) =>
      [route?.path ?? []].flat().flatMap((path: string) => {
        const methods = route.stack
          .map((layer: Json) => layer.method)
          .filter((method: string) => method !== undefined);
        return [...new Set(methods)].map((method) => `${method} ${path.replace(/:(\w+)/g, '{$1}')}`);
      }),
    );
    const { paths } = await readDocument(harness.app);
    const documented = Object.entries<Json>(paths).flatMap(([path, item]) =>
      Object.keys(item).map((method) => `${method} ${path}`),
    );
    // The page that shows the document is no part of the API.
    expect(routes.filter((route) => !/ \/docs(\/|$)/.test(route)).sort()).toEqual(documented.sort());
  });

  it('on the codes, each under its status', async () => {
    const { paths, components } = await readDocument(harness.app);
    expect(components.schemas.Problem.properties.code.enum).toEqual(REQUEST_CODES);
    for (const code of REQUEST_CODES) expect(components.schemas.Problem.description).toContain(`\`${code}\``);
    const found = new Set<RequestCode>();
    for (const operation of Object.values<Json>(paths).flatMap(Object.values)) {
      for (const [status, { content }] of Object.entries<Json>(operation.responses)) {
        const own = content?.['application/problem+json']?.schema.allOf[1].properties;
        const codes: RequestCode[] = own === undefined ? [] : [own.code.enum ?? own.code.const].flat();
        for (const code of codes) expect([code, STATUS[code]]).toEqual([code, Number(status)]);
        for (const code of codes) found.add(code);
      }
    }
    // No operation answers with these: there is no path, no such method, or nobody left to answer.
    const nowhere: RequestCode[] = ['method_not_allowed', 'upload_aborted'];
    expect([...found, ...nowhere].sort()).toEqual([...REQUEST_CODES]);
  });

  it('on the models that are there now, and their aliases', async () => {
    await publish(harness, [IRIS]);
    const first = await readDocument(harness.app);
    expect(Object.keys(first.components.schemas)).not.toContain('iris.v2.Row');
    const submit = (document: Json) => document.paths['/v1/batch-predict'].post;
    expect(Object.keys(submit(first).requestBody.content['application/json'].examples)).toEqual(['iris@1']);
    await publish(harness, [IRIS, { ...IRIS, version: 2 }], {
      iris: { written_at: 1, targets: { champion: 1 }, problems: [] },
    });
    // What the API knows of the catalogue may be a second old.
    await expect
      .poll(async () => Object.keys((await readDocument(harness.app)).components.schemas))
      .toContain('iris.v2.Row');
    const [model] = submit(await readDocument(harness.app)).parameters;
    expect(Object.keys(model.examples)).toEqual(['iris', 'iris@champion', 'iris@2', 'iris@1']);
  });

  it('on a version whose files have been replaced', async () => {
    await publish(harness, [IRIS]);
    await readDocument(harness.app);
    const manifest = { ...IRIS.manifest, description: 'Another forest.' };
    await publish(harness, [{ ...IRIS, manifest, fingerprint: 'e'.repeat(16) }]);
    const row = async () => (await readDocument(harness.app)).components.schemas['iris.v1.Row'].description;
    await expect.poll(row).toContain('Another forest.');
    await publish(harness, [{ ...IRIS, manifest, fingerprint: 'e'.repeat(16), example: [5, 3, 1, 0.2] }]);
    await expect.poll(async () => JSON.stringify(await readDocument(harness.app))).toContain('[[5,3,1,0.2]]');
  });

  it('on what has not changed', async () => {
    const { headers } = await request(harness.app).get('/openapi.json');
    await request(harness.app)
      .get('/openapi.json')
      .set('If-None-Match', headers.etag as string)
      .expect(304);
  });
});
