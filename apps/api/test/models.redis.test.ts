import request from 'supertest';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { IRIS_MANIFEST, irisDescriptor } from '../../../test/fixtures/iris.js';
import { useRedis } from '../../../test/fixtures/redis.js';
import { type Harness, startHarness } from './harness.js';

const redis = useRedis();
const IRIS = irisDescriptor(0.025);
const REFUSED = [
  { name: 'iris', version: '3', reason: 'model.onnx is empty' },
  { name: 'tulips', version: '1', reason: 'model.onnx is not an ONNX file' },
];
let harness: Harness;

beforeAll(async () => {
  harness = await startHarness(redis.url, redis.freshKeys());
});
afterAll(() => harness.stop());
beforeEach(async () => {
  const aliases = { iris: { written_at: 1, targets: { champion: 1 }, problems: ['odd is to be version 9'] } };
  const served = [IRIS, { ...IRIS, version: 2, doubt: 'nobody has tried it' }];
  await harness.publisher.beat({ served, refused: REFUSED, aliases }, Date.now());
});

const get = (path: string, status = 200) => request(harness.app).get(path).expect(status);

describe('GET /v1/models', () => {
  it('lists every version that is offered, and those that are refused', async () => {
    const { body } = await get('/v1/models');
    expect(body.models).toMatchObject([
      { model: 'iris@1', aliases: ['champion'], workers: 1, digest: IRIS.digest, manifest: IRIS_MANIFEST },
      { model: 'iris@2', aliases: [], doubt: 'nobody has tried it' },
    ]);
    expect(body.refused).toEqual(REFUSED);
  });
});

describe('GET /v1/models/iris', () => {
  it('shows the highest version, with all versions, aliases and what is wrong', async () => {
    const { body } = await get('/v1/models/iris');
    expect(body).toMatchObject({
      model: 'iris@2',
      versions: [
        { version: 1, status: 'served', workers: 1, aliases: ['champion'], digest: IRIS.digest },
        { version: 2, status: 'served' },
        { version: 3, status: 'refused', reason: 'model.onnx is empty' },
      ],
      alias_problems: ['odd is to be version 9'],
    });
  });

  it.each(['iris@1', 'iris@champion'])('also as %s', async (ref) => {
    expect((await get(`/v1/models/${ref}`)).body).toMatchObject({ model: 'iris@1', version: 1 });
  });

  it('gives a request that works as it stands', async () => {
    const { path, headers, body } = (await get('/v1/models/iris')).body.example_request;
    await request(harness.app).post(path).set(headers).send(body).expect(202);
  });

  it('gives the JSON Schemas of a row and of a prediction', async () => {
    const { row_schema: row, prediction_schema: prediction } = (await get('/v1/models/iris')).body;
    expect(row.$schema).toBe('https://json-schema.org/draft/2020-12/schema');
    expect(JSON.stringify(row)).toContain('"sepal_length"');
    expect(prediction.type ?? prediction.anyOf).toBeDefined();
  });
});

describe('a model of which no version is served', () => {
  it('is shown with the reasons', async () => {
    const versions = [{ version: 1, status: 'refused', reason: 'model.onnx is not an ONNX file' }];
    expect((await get('/v1/models/tulips')).body).toEqual({ name: 'tulips', versions });
  });

  it('is refused with the reason when it is to predict', async () => {
    const { body } = await request(harness.app).post('/batch-predict?model=tulips').send([1]).expect(404);
    expect(body).toMatchObject({
      code: 'unknown_model',
      detail: 'no worker serves "tulips": model.onnx is not an ONNX file',
    });
  });
});

it.each(['roses', 'iris@3', 'iris@nobody', 'iris@'])('%s is not found', async (ref) => {
  expect((await get(`/v1/models/${ref}`, 404)).body).toMatchObject({ code: 'unknown_model' });
});

it('a task is bound to the version that an alias stands for when it is accepted', async () => {
  const submit = () =>
    request(harness.app)
      .post('/batch-predict?model=iris@champion')
      .send([[1, 2, 3, 4]]);
  const first = (await submit().expect(202)).body;
  const aliases = { iris: { written_at: 2, targets: { champion: 2 }, problems: [] } };
  const served = [IRIS, { ...IRIS, version: 2 }];
  await harness.publisher.beat({ served, refused: [], aliases }, Date.now());
  expect(first.model).toBe('iris@1');
  expect((await get(`/batch-result/${first.task_id}`)).body.model).toBe('iris@1');
});
