import { randomUUID } from 'node:crypto';
import { REQUEST_CODES, type RequestCode } from '@millrace/batch/errors';
import { completeManifest } from '@millrace/batch/manifest/complete';
import { ELEMENT_TYPE_NAMES, ELEMENT_TYPES, type ElementType } from '@millrace/batch/manifest/element-types';
import { exampleRows } from '@millrace/batch/manifest/example';
import type { Feature } from '@millrace/batch/manifest/feature';
import { type Manifest, ManifestFile } from '@millrace/batch/manifest/manifest';
import type { ModelAliases, ModelDescriptor, Refusal } from '@millrace/batch/model';
import { ColumnBuilder } from '@millrace/batch/results/column';
import { encodeChunk } from '@millrace/batch/results/encode-chunk';
import { Validator } from '@seriousme/openapi-schema-validator';
import { Ajv2020 } from 'ajv/dist/2020.js';
import request from 'supertest';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { IRIS_MANIFEST, irisDescriptor } from '../../../test/fixtures/iris.js';
import { useRedis } from '../../../test/fixtures/redis.js';
import { newTask } from '../../../test/fixtures/task.js';
import { STATUS } from '../dist/problem.js';
import { type Harness, startHarness } from './harness.js';
import { SCHEDULE } from './schedules.js';

const redis = useRedis();
const IRIS = irisDescriptor(0.025);
let harness: Harness;

beforeEach(async () => {
  harness = await startHarness(redis.url, redis.freshKeys());
});
afterEach(() => harness.stop());

function modelOf(name: string, version: number, manifest: Manifest): ModelDescriptor {
  return { ...IRIS, name, version, manifest, example: exampleRows(manifest)[0] };
}

/** A model for every element type, with every kind of feature that it can hold. */
function modelOfType(type: ElementType): ModelDescriptor {
  const { kind } = ELEMENT_TYPES[type];
  const element = kind === 'bigint' ? 'int' : kind;
  const about = { description: 'What it is, with "quotes".', unit: 'm/s' };
  const features: Feature[] = [
    { name: 'single', type: element, ...about } as Feature,
    { name: 'list', type: 'vector', length: 3, element },
    { name: 'open', type: 'tensor', shape: [null, 2], element },
    { name: 'names', type: 'category', values: ['a', 'b,"'], default: 'a' },
    {
      name: 'absent/~{}',
      type: element,
      default: { float: 'NaN', int: 1, bool: true, string: '' }[element],
    } as Feature,
  ].filter((feature) => feature.type !== 'category' || kind !== 'bool') as Feature[];
  const inputs = features.map((feature) => {
    const shape = feature.type === 'vector' ? [3] : feature.type === 'tensor' ? [null, 2] : [];
    return { name: feature.name, type, shape: [null, ...shape] };
  });
  const outputs = [{ name: 'out', type, shape: [null] }];
  return modelOf(`type-${type}`, 1, completeManifest(ManifestFile.parse({ features }), { inputs, outputs }));
}

/** Models that print in every way that there is. */
function printingModels(): ModelDescriptor[] {
  const whole = { type: 'int64' as const, shape: [null] };
  const vector = { type: 'float32' as const, shape: [null, 2] };
  const classes = ['no', 'yes'];
  const many = Array.from({ length: 1000 }, (_, at) => `class ${at}`);
  const cases = [
    { tensor: whole, classes },
    { tensor: whole, classes: many },
    { tensor: whole, int64: 'string' },
    { tensor: whole, int64: 'number' },
    { tensor: vector, classes },
    { tensor: vector, classes, top_k: 1 },
    { tensor: vector, top_k: 2, non_finite: 'string' },
    { tensor: { ...vector, shape: [null, null] }, classes, decimals: 2 },
    { tensor: { ...vector, shape: [null, null, 3] }, description: 'A matrix.' },
    { tensor: { type: 'string' as const, shape: [null, 2, 2] } },
  ];
  return cases.map(({ tensor, ...printing }, at) => {
    const outputs = [
      { name: 'a', ...tensor },
      { name: 'b', ...whole },
    ];
    const file = { outputs: [{ name: 'a', ...printing }, { name: 'b' }], default_outputs: ['b', 'a'] };
    const graph = { inputs: [{ name: 'x', type: 'float32' as const, shape: [null] }], outputs };
    const shown = at % 2 === 0 ? file : { outputs: file.outputs };
    return modelOf('printing.v1', at + 1, completeManifest(ManifestFile.parse(shown), graph));
  });
}

const ALL = [IRIS, { ...IRIS, version: 2 }, ...ELEMENT_TYPE_NAMES.map(modelOfType), ...printingModels()];

async function publish(
  served: ModelDescriptor[],
  aliases: Record<string, ModelAliases> = {},
  refused: Refusal[] = [],
): Promise<void> {
  await harness.publisher.beat({ served, refused, aliases }, Date.now());
}

// biome-ignore lint/suspicious/noExplicitAny: the tests walk through a document
type Json = any;

async function read(): Promise<Json> {
  return (
    await request(harness.app)
      .get('/openapi.json')
      .expect(200)
      .expect('content-type', /^application\/json/)
  ).body;
}

/** Validates values against a schema of the document. */
function validatorFor(document: Json, schema: Json): (value: unknown) => unknown {
  const ajv = new Ajv2020({ strict: false, validateFormats: false });
  const validate = ajv.compile({ ...schema, components: document.components });
  return (value) => (validate(value) ? [] : validate.errors);
}

describe('the document is OpenAPI 3.1', () => {
  it.each([
    ['without models', []],
    ['with iris', [IRIS]],
    ['with every feature type and every way to print', ALL],
  ])('%s', async (_, served) => {
    await publish(served);
    const document = await read();
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
    await publish(ALL);
    const document = await read();
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
    const { paths } = await read();
    const documented = Object.entries<Json>(paths).flatMap(([path, item]) =>
      Object.keys(item).map((method) => `${method} ${path}`),
    );
    // The page that shows the document is no part of the API.
    expect(routes.filter((route) => !/ \/docs(\/|$)/.test(route)).sort()).toEqual(documented.sort());
  });

  it('on the codes, each under its status', async () => {
    const { paths, components } = await read();
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
    await publish([IRIS]);
    const first = await read();
    expect(Object.keys(first.components.schemas)).not.toContain('iris.v2.Row');
    const submit = (document: Json) => document.paths['/v1/batch-predict'].post;
    expect(Object.keys(submit(first).requestBody.content['application/json'].examples)).toEqual(['iris@1']);
    await publish([IRIS, { ...IRIS, version: 2 }], {
      iris: { written_at: 1, targets: { champion: 1 }, problems: [] },
    });
    // What the API knows of the catalogue may be a second old.
    await expect.poll(async () => Object.keys((await read()).components.schemas)).toContain('iris.v2.Row');
    const [model] = submit(await read()).parameters;
    expect(Object.keys(model.examples)).toEqual(['iris', 'iris@champion', 'iris@2', 'iris@1']);
  });

  it('on a version whose files have been replaced', async () => {
    await publish([IRIS]);
    await read();
    const manifest = { ...IRIS.manifest, description: 'Another forest.' };
    await publish([{ ...IRIS, manifest, fingerprint: 'e'.repeat(16) }]);
    const row = async () => (await read()).components.schemas['iris.v1.Row'].description;
    await expect.poll(row).toContain('Another forest.');
    await publish([{ ...IRIS, manifest, fingerprint: 'e'.repeat(16), example: [5, 3, 1, 0.2] }]);
    await expect.poll(async () => JSON.stringify(await read())).toContain('[[5,3,1,0.2]]');
  });

  it('on what has not changed', async () => {
    const { headers } = await request(harness.app).get('/openapi.json');
    await request(harness.app)
      .get('/openapi.json')
      .set('If-None-Match', headers.etag as string)
      .expect(304);
  });
});

describe('what the application does is as documented', () => {
  it('takes the example of every model in every format', { timeout: 120_000 }, async () => {
    await publish(ALL);
    const document = await read();
    const { content } = document.paths['/v1/batch-predict'].post.requestBody;
    const fits = validatorFor(document, content['application/json'].schema);
    const texts = Object.entries<Json>(content).filter(([type]) => !type.startsWith('application/vnd.'));
    for (const [type, { examples }] of texts) {
      expect(Object.keys(examples)).toHaveLength(ALL.length);
      for (const [model, { value }] of Object.entries<Json>(examples)) {
        if (type === 'application/json') {
          expect(fits(value)).toEqual([]);
          expect(fits({ inputs: value, model, on_invalid: 'report' })).toEqual([]);
        }
        const answer = await request(harness.app)
          .post('/v1/batch-predict')
          .query({ model, on_invalid: 'reject' })
          .type(type)
          .send(value);
        expect([type, model, answer.status, answer.body.errors]).toEqual([type, model, 202, undefined]);
      }
    }
    expect(fits([{ colour: 'red' }])).not.toEqual([]);
    expect(fits({ inputs: [[5, 3, 1, 0.2]], modle: 'iris' })).not.toEqual([]);
  });

  it('answers with what the schemas say, and with no member that they do not name', async () => {
    const aliases = {
      iris: { written_at: 1, targets: { champion: 1 }, problems: ['odd is to be version 9'] },
    };
    const refused = [
      { name: 'iris', version: '1', reason: 'model.onnx is empty' },
      { name: 'tulips', version: '', reason: 'model.onnx is not an ONNX file' },
    ];
    await publish([IRIS, { ...IRIS, version: 2, doubt: 'nobody has tried it' }], aliases, refused);
    const document = await read();
    const failed = await finishedTask([]);
    const waiting = await startedTask();
    expect((await request(harness.app).get(`/batch-result/${waiting}`)).body).toHaveProperty('waiting_for');
    const finished = await finishedTask([{ row: 1, id: 'x', code: 'wrong_type', message: 'no number' }]);
    const retried = await finishedTask([{ row: 1, code: 'timeout', message: 'no answer' }]);
    await request(harness.app).post(`/batch-result/${retried}/retry`).expect(202);
    const rows = [[5, 3, 1, 0.2]];
    const cases: [path: string, answer: request.Test, method?: string][] = [
      ['/healthz', request(harness.app).get('/healthz')],
      ['/readyz', request(harness.app).get('/readyz')],
      ['/v1/models', request(harness.app).get('/v1/models')],
      ['/v1/models/{model}', request(harness.app).get('/v1/models/iris@1')],
      ['/v1/models/{model}', request(harness.app).get('/v1/models/tulips')],
      ['/v1/models/{model}', request(harness.app).get('/v1/models/roses')],
      ['/batch-result/{id}', request(harness.app).get(`/batch-result/${finished}`)],
      ['/batch-result/{id}', request(harness.app).get(`/batch-result/${finished}?outputs=all`)],
      ['/batch-result/{id}', request(harness.app).get(`/batch-result/${failed}`)],
      ['/batch-result/{id}', request(harness.app).get(`/batch-result/${waiting}`)],
      ['/batch-result/{id}', request(harness.app).get('/batch-result/7')],
      ['/batch-result/{id}', request(harness.app).get('/batch-result/7?output=all')],
      ['/batch-result/{id}', request(harness.app).get(`/batch-result/${finished}`).accept('image/png')],
      ['/batch-result/{id}', request(harness.app).get(`/batch-result/${retried}`)],
      ['/batch-result/{id}', request(harness.app).get(`/batch-result/${retried}?after=0`)],
      ['/batch-result/{id}/retry', request(harness.app).post(`/batch-result/${retried}/retry`)],
      ['/batch-result/{id}/retry', request(harness.app).post(`/batch-result/${finished}/retry`)],
      ['/batch-result/{id}/retry', request(harness.app).post(`/batch-result/${waiting}/retry`)],
      ['/batch-predict', request(harness.app).post('/batch-predict?model=iris').send(rows)],
      ['/batch-predict', request(harness.app).post('/batch-predict').send(rows)],
      ['/batch-predict', request(harness.app).post('/batch-predict?model=irsi').send(rows)],
      [
        '/batch-predict',
        request(harness.app)
          .post('/batch-predict?model=iris')
          .send([[1], ...rows]),
      ],
      ['/batch-predict', request(harness.app).post('/batch-predict?model=iris').send('<x/>').type('xml')],
      [
        '/batch-predict',
        request(harness.app).post('/batch-predict?model=iris').send('sepal_width\n1').type('text/csv'),
      ],
    ];
    for (const [path, test, method] of [...cases, ...scheduleCases()]) {
      const { status, body, headers } = await test;
      const [first] = Object.values<Json>(document.paths[path]);
      const operation = method === undefined ? first : document.paths[path][method];
      const type = (headers['content-type'] as string).split(';')[0] as string;
      const schema = operation.responses[status]?.content[type]?.schema;
      expect(schema, `${path} ${status} ${type}`).toBeDefined();
      expect(validatorFor(document, schema)(body), `${path} ${JSON.stringify(body)}`).toEqual([]);
      const known = membersOf(document, schema);
      for (const member of Object.keys(body)) expect(known, `${path} ${member}`).toContain(member);
    }
  });
});

/** In their order, as each is made when its turn comes. */
function* scheduleCases(): Generator<[path: string, answer: request.Test, method?: string]> {
  const { app } = harness;
  const [all, one, runs] = ['/v1/schedules', '/v1/schedules/{name}', '/v1/schedules/{name}/runs'];
  const at = '/v1/schedules/nightly';
  const { name: _, ...unnamed } = SCHEDULE;
  const query = '?validate_only=true';
  yield [all, request(app).post(`/v1/schedules${query}`).send(SCHEDULE), 'post'];
  yield [all, request(app).post('/v1/schedules').send(SCHEDULE), 'post'];
  yield [all, request(app).post('/v1/schedules').send(SCHEDULE), 'post'];
  yield [all, request(app).post('/v1/schedules').send({ name: 'Nightly' }), 'post'];
  yield [
    one,
    request(app)
      .put(`${at}${query}`)
      .send({ ...unnamed, alarms: { connection: 'oncall' } }),
    'put',
  ];
  yield [
    one,
    request(app)
      .put(at)
      .send({ ...unnamed, model: 'irsi', expires_in: 60 }),
    'put',
  ];
  yield [one, request(app).put('/v1/schedules/weekly').send(unnamed), 'put'];
  yield [one, request(app).patch(at).send({ enabled: false }), 'patch'];
  yield [one, request(app).patch(at).send({ enabled: 'no' }), 'patch'];
  yield [`${one}/run`, request(app).post(`${at}/run`)];
  yield [`${one}/run`, request(app).post(`${at}/run`).send({ logical_date: '2026-11-20' })];
  yield [`${one}/run`, request(app).post(`${at}/run`).send({ logical_date: '2026-11-20' })];
  yield [`${one}/run`, request(app).post(`${at}/run`).send({ logical_date: 'today' })];
  yield [
    `${one}/backfill`,
    request(app).post(`${at}/backfill`).send({ from: '2026-11-01', to: '2026-11-20' }),
  ];
  yield [
    `${one}/backfill`,
    request(app).post(`${at}/backfill`).send({ from: '2016-11-01', to: '2026-11-20' }),
  ];
  yield [
    `${one}/backfill`,
    request(app).post(`${at}/backfill`).send({ from: '2026-11-20', to: '2026-11-01' }),
  ];
  yield [runs, request(app).get(`${at}/runs?limit=3`)];
  yield [`${runs}/{date}`, request(app).get(`${at}/runs/2026-11-20`)];
  yield [`${runs}/{date}`, request(app).get(`${at}/runs/2026-10-20`)];
  yield [`${runs}/{date}/cancel`, request(app).post(`${at}/runs/2026-11-20/cancel`)];
  yield [`${one}/deliveries`, request(app).get(`${at}/deliveries`)];
  yield [one, request(app).get(at)];
  yield [all, request(app).get('/v1/schedules')];
}

/** A task of two rows for files of a model that nobody serves any more. */
async function startedTask(): Promise<string> {
  const id = randomUUID();
  const { store } = harness;
  await store.create(newTask({ id, fingerprint: 'of other files' }));
  await store.append(id, { index: 0, firstRow: 0, rows: 2, bytes: Buffer.from('1\n2\n') });
  return id;
}

/** The same, finished with these errors; without any it failed as a whole. */
async function finishedTask(errors: Parameters<typeof encodeChunk>[0]['errors']): Promise<string> {
  const id = await startedTask();
  const { store } = harness;
  if (errors.length === 0) {
    await store.abort(id, 'the client went away');
    return id;
  }
  await store.seal(id, 1);
  const columns = IRIS_MANIFEST.outputs.map((output) => {
    const column = new ColumnBuilder(output, 2);
    const [size = 1] = output.shape as number[];
    const values = output.type === 'int64' ? new BigInt64Array(2) : new Float32Array(2 * size);
    column.add(Uint32Array.of(0, 1), values, output.shape as number[]);
    return column.finish();
  });
  await store.commit(id, 0, encodeChunk({ firstRow: 0, rows: 2, errors, columns, shown: IRIS_MANIFEST }));
  return id;
}

function membersOf(document: Json, schema: Json): string[] {
  if (schema.$ref !== undefined)
    return membersOf(document, document.components.schemas[schema.$ref.split('/').at(-1)]);
  const inner = [...(schema.anyOf ?? []), ...(schema.allOf ?? [])];
  return [
    ...Object.keys(schema.properties ?? {}),
    ...inner.flatMap((each: Json) => membersOf(document, each)),
  ];
}
