import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { request as httpRequest } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { createLogger } from '@millrace/process/logger';
import request from 'supertest';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { IRIS_MANIFEST, irisRows, toNdjson } from '../../../test/fixtures/iris.js';
import { useRedis } from '../../../test/fixtures/redis.js';
import { ApiKeys, createKey, writeKeyFile } from '../dist/auth/api-keys.js';
import { type Harness, startHarness } from './harness.js';

const redis = useRedis();
const log = createLogger({ service: 'test', level: 'error', format: 'json' });
const ROWS = irisRows(25);
const CSV = `petal_width,id,sepal_length,sepal_width,petal_length\n${ROWS.map((row, index) => `${row.petal_width},"n""${index}",${row.sepal_length},${row.sepal_width},${row.petal_length}\r\n`).join('')}`;

describe('a submission', () => {
  const keys = redis.freshKeys();
  let harness: Harness;
  beforeAll(async () => {
    harness = await startHarness(redis.url, keys);
  });
  afterAll(() => harness.stop());

  const submit = (path = '/batch-predict?model=iris') => request(harness.app).post(path);

  it('is accepted with an id, the pinned version, a full ledger and a place to poll', async () => {
    const response = await submit().send(ROWS).expect(202);
    expect(response.body).toMatchObject({
      status: 'pending',
      model: 'iris@1',
      rows: { total: 25, pending: 25 },
    });
    expect(response.headers.location).toBe(`/batch-result/${response.body.task_id}`);
    const polled = await request(harness.app)
      .get(response.headers.location as string)
      .expect(200);
    expect(polled.body).toEqual(response.body);
    expect(polled.headers['retry-after']).toBe('1');
  });

  it.each([
    ['an envelope', () => submit('/v1/batch-predict').send({ model: 'iris@1', inputs: ROWS })],
    ['arrays in feature order', () => submit().send(ROWS.map((row) => Object.values(row)))],
    ['NDJSON', () => submit().type('application/x-ndjson').send(toNdjson(ROWS))],
    [
      'NDJSON without a last line feed',
      () => submit().type('application/x-ndjson').send(toNdjson(ROWS).trimEnd()),
    ],
    ['CSV with columns in any order', () => submit().type('text/csv').send(CSV)],
    ['checked CSV', () => submit('/batch-predict?model=iris&on_invalid=reject').type('text/csv').send(CSV)],
    ['gzipped NDJSON', () => sendBytes(submit().type('application/x-ndjson'), gzipSync(toNdjson(ROWS)))],
    ['gzipped JSON', () => sendBytes(submit().type('application/json'), gzipSync(JSON.stringify(ROWS)))],
  ])('may be %s', async (_name, send) => {
    const response = await send().expect(202);
    expect(response.body).toMatchObject({ model: 'iris@1', rows: { total: 25, pending: 25 } });
  });

  it('puts one job per chunk into the queue, with ids only and a priority that lets small tasks pass', async () => {
    const { body } = await submit().type('application/x-ndjson').send(toNdjson(ROWS)).expect(202);
    const jobs = await Promise.all(
      [0, 1, 2].map((chunk) => redis.redis.hgetall(`${keys.queuePrefix}:default:${body.task_id}.${chunk}`)),
    );
    expect(jobs.map((job) => JSON.parse(job.data ?? ''))).toEqual(
      [0, 1, 2].map((chunk) => ({ task: body.task_id, chunk })),
    );
    expect(jobs.map((job) => job.priority)).toEqual(['1', '2', '3']);
  });

  it('stores the bytes as they came, and gives every key a lifetime', async () => {
    const text = toNdjson(ROWS);
    const { body } = await submit().type('application/x-ndjson').send(text).expect(202);
    const chunks = await Promise.all(
      [0, 1, 2].map((chunk) => redis.redis.get(keys.input(body.task_id, chunk))),
    );
    expect(chunks.join('')).toBe(text);
    for (const key of await redis.keysUnder(body.task_id)) {
      if (!key.startsWith(keys.queuePrefix)) expect(await redis.redis.pttl(key), key).toBeGreaterThan(0);
    }
  });

  it.each([
    ['{"inputs": [[5.10,3,1,0], [6.00,3,1,0]]}', '[5.10,3,1,0] \n[6.00,3,1,0]\n'],
    ['[[5.10,3,1,0],[6.00,3,1,0.0 ]]', '[5.1,3,1,0]\n[6,3,1,0]\n'],
    ['{"inputs":[[5,3,1,0]],"on_invalid":"report","inputs":[[6,3,1,0]]}', '[6,3,1,0]\n'],
  ])(
    'of JSON stores rows that are all written in one way as they came, others anew: %s',
    async (text, lines) => {
      const { body } = await submit().type('application/json').send(text).expect(202);
      expect(await redis.redis.get(keys.input(body.task_id, 0))).toBe(lines);
    },
  );

  it('with bad rows in JSON is refused with all of them by pointer', async () => {
    const bad = [ROWS[0], { ...ROWS[1], sepal_width: 'wide' }, { sepal_length: 1 }];
    const response = await submit('/batch-predict').send({ model: 'iris', inputs: bad }).expect(422);
    expect(response.body).toMatchObject({
      invalid_rows: 2,
      errors: [
        { row: 1, pointer: '/inputs/1/sepal_width', code: 'wrong_type' },
        { row: 2, pointer: '/inputs/2/sepal_width', code: 'missing_feature' },
      ],
    });
  });

  it('with bad rows in JSON is accepted when they are to be reported', async () => {
    await submit('/batch-predict?model=iris&on_invalid=report')
      .send([ROWS[0], { sepal_length: 1 }])
      .expect(202);
  });

  it('waits as long as it prefers, then says where to poll', async () => {
    const response = await submit().set('Prefer', 'wait=0').send(ROWS).expect(202);
    expect(response.headers['preference-applied']).toBe('wait=0');
  });

  it('says what it waits for when the last worker of the model is gone', async () => {
    const quiet = await startHarness(redis.url, redis.freshKeys());
    await quiet.publisher.leave();
    const response = await request(quiet.app).post('/batch-predict?model=iris').send(ROWS).expect(202);
    expect(response.body.waiting_for).toBe('a worker that serves iris@1');
    await request(quiet.app)
      .get('/readyz')
      .expect(503, { status: 'not_ready', problems: ['no live worker serves a model'] });
    await quiet.stop();
  });

  it('that breaks off leaves a failed task, and of its rows nothing', async () => {
    const server = harness.app.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const before = new Set(await redis.keysUnder(':task'));
    const { port } = server.address() as AddressInfo;
    const call = httpRequest({
      port,
      method: 'POST',
      path: '/batch-predict?model=iris',
      headers: { 'content-type': 'application/x-ndjson' },
    });
    call.on('error', () => {});
    const failed = onFinished(keys.finished());
    await failed.listening;
    call.write(toNdjson(irisRows(2_000)));
    const created = await firstNew(() => redis.keysUnder(':task'), before);
    call.destroy();
    const id = await failed.id;
    expect(created).toBe(keys.task(id));
    const { body } = await request(harness.app).get(`/batch-result/${id}`).expect(200);
    expect(body).toMatchObject({ status: 'failed', error: { code: 'upload_aborted' } });
    expect(body.rows.failed).toBe(body.rows.total);
    // The task ends first, its jobs are taken out of the queue after it.
    await expect.poll(() => redis.keysUnder(id), { timeout: 10_000 }).toEqual([keys.task(id)]);
    server.close();
    await once(server, 'close');
  });

  /** The first id that is published on a channel. */
  function onFinished(channel: string) {
    const listener = redis.redis.duplicate();
    const listening = listener.subscribe(channel);
    const id = once(listener, 'message').then(([, message]) => {
      listener.disconnect();
      return message as string;
    });
    return { listening, id };
  }
});

describe('the models', () => {
  it('are listed and shown with manifest, digest and an example', async () => {
    const harness = await startHarness(redis.url, redis.freshKeys());
    const list = await request(harness.app).get('/v1/models').expect(200);
    expect(list.body.models).toMatchObject([{ model: 'iris@1', workers: 1, manifest: IRIS_MANIFEST }]);
    const one = await request(harness.app).get('/v1/models/iris').expect(200);
    expect(one.body).toMatchObject(list.body.models[0] as object);
    await request(harness.app).post('/batch-predict?model=iris').send([one.body.example]).expect(202);
    await harness.stop();
  });
});

describe('with API keys', () => {
  let harness: Harness;
  let folder: string;
  const alice = createKey('alice', new Date(0));
  const bob = createKey('bob', new Date(0));
  const as = ({ key }: { key: string }) => ({ authorization: `Bearer ${key}` });
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'millrace-keys-'));
    await writeKeyFile(join(folder, 'keys.json'), { keys: [alice.entry, bob.entry] });
    harness = await startHarness(
      redis.url,
      redis.freshKeys(),
      await ApiKeys.open(join(folder, 'keys.json'), log),
    );
  });
  afterAll(async () => {
    await harness.stop();
    await rm(folder, { recursive: true });
  });

  it.each(['/v1/models', '/metrics', '/batch-result/nope', '/anything'])('%s wants one', async (path) => {
    const response = await request(harness.app).get(path).expect(401);
    expect(response.body.code).toBe('unauthorized');
    expect(response.headers['www-authenticate']).toBe('Bearer');
    await request(harness.app).get(path).set('authorization', 'Bearer wrong').expect(401);
    await request(harness.app).get(path).set('authorization', `Basic ${alice.key}`).expect(401);
  });

  it.each(['/healthz', '/readyz'])('%s wants none', async (path) => {
    await request(harness.app).get(path).expect(200);
  });

  it('a task belongs to its client; to others it does not exist', async () => {
    const { body } = await request(harness.app)
      .post('/batch-predict?model=iris')
      .set(as(alice))
      .send(ROWS)
      .expect(202);
    await request(harness.app).get(`/batch-result/${body.task_id}`).set(as(alice)).expect(200);
    const other = await request(harness.app).get(`/batch-result/${body.task_id}`).set(as(bob)).expect(404);
    expect(other.body.code).toBe('unknown_task');
  });

  it('the file holds hashes, not keys', () => {
    expect(alice.entry.sha256).toBe(createHash('sha256').update(alice.key).digest('hex'));
  });
});

function sendBytes(call: request.Test, bytes: Buffer): request.Test {
  return call
    .set('content-encoding', 'gzip')
    .serialize((value) => value)
    .send(bytes);
}

/** Asks until there is a key that was not there before; the test's own limit bounds it. */
async function firstNew(list: () => Promise<string[]>, before: Set<string>): Promise<string> {
  for (;;) {
    const found = (await list()).find((key) => !before.has(key));
    if (found !== undefined) return found;
  }
}
