import type { RowError } from '@millrace/batch/errors';
import { ColumnBuilder } from '@millrace/batch/results/column';
import { encodeChunk } from '@millrace/batch/results/encode-chunk';
import { Utf8 } from 'apache-arrow';
import request from 'supertest';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { tableStream } from '../../../packages/columnar/test/arrow-stream.js';
import { IRIS_MANIFEST } from '../../../test/fixtures/iris.js';
import { useRedis } from '../../../test/fixtures/redis.js';
import { ALL, IRIS } from './every-model.js';
import { type Harness, LIMITS, startHarness } from './harness.js';
import { ARROW, NDJSON } from './numbered-rows.js';
import { type Json, publish, readDocument, validatorFor } from './openapi-document.js';
import { SCHEDULE } from './schedules.js';
import { storeReceiving } from './tasks.js';

/** A line that is too long, and a column of texts where there should be numbers. */
const LONG = 'x'.repeat(LIMITS.maxRowBytes + 1);
const FEATURES = IRIS_MANIFEST.features.map(({ name }) => name);
const TEXTS = Buffer.from(tableStream(FEATURES.map((name) => ({ name, type: new Utf8(), values: ['1'] }))));
const redis = useRedis();
let harness: Harness;

beforeEach(async () => {
  harness = await startHarness(redis.url, redis.freshKeys());
});
afterEach(() => harness.stop());

describe('what the application does is as documented', () => {
  it('takes the example of every model in every format', { timeout: 120_000 }, async () => {
    await publish(harness, ALL);
    const document = await readDocument(harness.app);
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
    await publish(harness, [IRIS, { ...IRIS, version: 2, doubt: 'nobody has tried it' }], aliases, refused);
    const document = await readDocument(harness.app);
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
      ['/batch-predict', request(harness.app).post('/batch-predict?model=iris').send(LONG).type(NDJSON)],
      ['/batch-predict', request(harness.app).post('/batch-predict?model=iris').send(TEXTS).type(ARROW)],
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
const startedTask = () => storeReceiving(harness, [2], 'of other files');

/** The same, finished with these errors; without any it failed as a whole. */
async function finishedTask(errors: readonly RowError[]): Promise<string> {
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
