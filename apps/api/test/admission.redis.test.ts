import { once } from 'node:events';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { connectForWork } from '@millrace/queue/connection';
import type { Keys } from '@millrace/queue/keys';
import { readLoad } from '@millrace/queue/load';
import { memoryUse } from '@millrace/queue/memory';
import { TaskStore } from '@millrace/queue/task-store';
import { Admission, type AdmissionLimits } from '@millrace/tasks/admission';
import request from 'supertest';
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { IRIS_FINGERPRINT, irisRows, toNdjson } from '../../../test/fixtures/iris.js';
import { useRedis } from '../../../test/fixtures/redis.js';
import { ADMISSION, type Harness, LIMITS, startHarness } from './harness.js';

const redis = useRedis();
const PINS = [`iris@1 ${IRIS_FINGERPRINT}`];
/** The harness puts ten rows into a chunk. */
const CHUNK_ROWS = 10;
const ANY = { rows: 1e9, bytes: 1e9 };

let keys: Keys;
let harness: Harness;

beforeEach(() => {
  keys = redis.freshKeys();
});
afterEach(() => harness?.stop());

async function startWith(limits: Partial<AdmissionLimits>): Promise<void> {
  harness = await startHarness(redis.url, keys, undefined, LIMITS, undefined, { ...ADMISSION, ...limits });
}
const submit = (rows: number) => request(harness.app).post('/batch-predict?model=iris').send(irisRows(rows));

/** What a worker would do. */
async function complete(id: string, chunk: number): Promise<void> {
  const begun = await harness.store.begin(id, chunk, PINS);
  const rows = begun.kind === 'started' ? begun.chunk.rows : 0;
  const counts = { succeeded: rows, invalid: 0, failed: 0 };
  await harness.store.commit(id, chunk, { counts, segments: {} });
}

/** An upload that is not read to its end is answered all the same, without a word of its body having been read. */
async function startUpload(body: string, headers: Record<string, string> = {}) {
  const server = harness.app.listen(0, '127.0.0.1');
  onTestFinished(() => void server.close());
  await once(server, 'listening');
  const call = httpRequest({
    port: (server.address() as AddressInfo).port,
    method: 'POST',
    path: '/batch-predict?model=iris',
    headers: { 'content-type': 'application/x-ndjson', ...headers },
  });
  const answered = once(call, 'response').then(async ([response]: IncomingMessage[]) => ({
    status: (response as IncomingMessage).statusCode,
    body: JSON.parse(Buffer.concat(await (response as IncomingMessage).toArray()).toString()),
  }));
  call.on('error', () => {});
  call.write(body);
  return { call, answered };
}

describe('a client with much in flight', () => {
  it('is told so before its upload is read, and may go on when some of it is done', async () => {
    await startWith({ client: { rows: 25, bytes: 1e9 } });
    const first = await submit(25).expect(202);
    const { call, answered } = await startUpload(toNdjson(irisRows(1)));
    expect(await answered).toMatchObject({
      status: 429,
      body: { code: 'too_much_in_flight', in_flight_rows: 25, limit_rows: 25, limit_bytes: 1e9 },
    });
    call.destroy();
    const refused = await submit(1).expect(429);
    expect(refused.headers['retry-after']).toBe('5');
    await complete(first.body.task_id, 0);
    await until(() => submit(1), 202);
  });

  it('by its bytes is told the same', async () => {
    await startWith({ client: { rows: 1e9, bytes: 50 } });
    await submit(1).expect(202);
    expect((await submit(1).expect(429)).body.in_flight_bytes).toBeGreaterThan(50);
  });

  it('gets the answer to a request that it repeats', async () => {
    await startWith({ client: { rows: 25, bytes: 1e9 } });
    const once = () => submit(25).set('idempotency-key', 'again');
    const { body } = await once().expect(202);
    expect((await once().expect(202)).body.task_id).toBe(body.task_id);
  });

  it('does not use its key up by a request that was refused', async () => {
    await startWith({ client: { rows: 25, bytes: 1e9 } });
    const { body } = await submit(25).expect(202);
    const later = () => submit(1).set('idempotency-key', 'later');
    await later().expect(429);
    for (const chunk of [0, 1, 2]) await complete(body.task_id, chunk);
    await until(later, 202);
  });
});

it('what all clients have in flight is limited, too', async () => {
  await startWith({ all: { rows: 25, bytes: 1e9 } });
  await submit(25).expect(202);
  const { body } = await submit(1).expect(503);
  expect(body).toMatchObject({ code: 'overloaded', in_flight_rows: 25, limit_rows: 25 });
});

it('one client’s load is none of another’s', async () => {
  const connection = connectForWork(redis.url);
  onTestFinished(async () => void (await connection.quit()));
  await startWith({});
  const store = new TaskStore(connection, keys);
  const base = {
    model: 'iris@1',
    fingerprint: 'f',
    format: 'ndjson' as const,
    pool: 'default',
    requestId: 'r',
  };
  for (const client of ['alice', 'bob']) {
    await store.create({ ...base, id: `of-${client}`, client });
    const rows = client === 'alice' ? 100 : 1;
    await store.append(`of-${client}`, { index: 0, firstRow: 0, rows, bytes: Buffer.alloc(rows) });
  }
  const admission = new Admission(
    { all: ANY, client: { rows: 50, bytes: 1e9 }, stallMs: 0 },
    { readLoad: () => readLoad(connection, keys, store.index), memoryUse: () => memoryUse(connection) },
  );
  await expect(admission.admit('alice')).rejects.toMatchObject({ code: 'too_much_in_flight' });
  await admission.admit('bob');
  await admission.admit('carol');
  await admission.makeRoom('bob', 49, 10);
  await expect(admission.makeRoom('bob', 1, 1)).rejects.toMatchObject({ code: 'too_much_in_flight' });
});

describe('bodies that are read whole', () => {
  const JSON_TYPE = { 'content-type': 'application/json' };
  /** A list of one row, of nearly as many bytes as one body may have. */
  const HEAD = `[${' '.repeat(LIMITS.maxJsonBytes - 1_000)}`;
  const REST = `${JSON.stringify(irisRows(1)[0])}]`;

  it('are four of the largest at once; another is told to come again, and gets its place when one is done', async () => {
    await startWith({});
    const uploads = [];
    for (let index = 0; index < 4; index++) {
      const upload = await startUpload(HEAD, JSON_TYPE);
      await until(
        () => received(),
        (bytes) => bytes >= (index + 1) * HEAD.length,
      );
      uploads.push(upload);
    }
    const fifth = await startUpload(HEAD, JSON_TYPE);
    expect(await fifth.answered).toMatchObject({ status: 503, body: { code: 'overloaded' } });
    fifth.call.destroy();
    uploads[0]?.call.end(REST);
    expect(await uploads[0]?.answered).toMatchObject({ status: 202 });
    await until(() => submit(1), 202);
    for (const { call, answered } of uploads.slice(1)) {
      call.end(REST);
      expect((await answered).status).toBe(202);
    }
  });

  /** Bytes of bodies that the application has read. */
  async function received(): Promise<number> {
    const { text } = await request(harness.app).get('/metrics').expect(200);
    return Number(/^millrace_upload_bytes_total\{format="json"\} (\d+)$/m.exec(text)?.[1] ?? 0);
  }
});

describe('an upload under way', () => {
  const ROWS = 60;

  it('waits while there is no room, and is accepted whole when workers make some', async () => {
    await startWith({ all: { rows: 30, bytes: 1e9 }, stallMs: 60_000 });
    const { call, answered } = await startUpload(toNdjson(irisRows(ROWS)));
    call.end();
    const id = await until(
      async () => (await unfinished())[0],
      (found) => found !== undefined,
    );
    let seen = 0;
    for (let chunk = 0; chunk < ROWS / CHUNK_ROWS; chunk++) {
      await until(
        () => redis.redis.hexists(keys.chunks(id as string), String(chunk)),
        (isThere) => isThere === 1,
      );
      seen = Math.max(seen, Number(await redis.redis.hget(keys.task(id as string), 'pending')));
      await complete(id as string, chunk);
    }
    expect(await answered).toMatchObject({ status: 202, body: { rows: { total: ROWS } } });
    // The chunks on their way to Redis may go beyond it.
    expect(seen).toBeLessThanOrEqual(30 + CHUNK_ROWS);
  });

  it('for which no room is made in time is refused, and nothing of it is left', async () => {
    await startWith({ all: { rows: 30, bytes: 1e9 }, stallMs: 300 });
    const { call, answered } = await startUpload(toNdjson(irisRows(ROWS)));
    call.end();
    expect(await answered).toMatchObject({ status: 503, body: { code: 'overloaded' } });
    await until(unfinished, (ids) => ids.length === 0);
    expect((await redis.keysUnder(keys.prefix)).filter((key) => key.includes(':{'))).toEqual([]);
    expect(await harness.producer.depth('default')).toMatchObject({ waiting: 0 });
  });
});

describe('a Redis that is nearly full', () => {
  /** A server has as much in use as it is told it may use at most. */
  async function fillTo(share: number): Promise<void> {
    // Beside which what the platform stores is nothing.
    await redis.redis.setrange('ballast', 64 * 1024 * 1024, '.');
    const { used } = await memoryUse(redis.redis);
    await redis.redis.config('SET', 'maxmemory', Math.round(used / share));
  }
  afterEach(async () => {
    await redis.redis.config('SET', 'maxmemory', 0);
    await redis.redis.del('ballast');
  });

  it('takes nothing in, and answers what it has', async () => {
    await startWith({});
    const { body } = await submit(1).expect(202);
    await fillTo(0.87);
    const refused = await until(() => submit(1), 503);
    expect(refused.body).toMatchObject({ code: 'overloaded' });
    expect(refused.body.detail).toMatch(/^Redis is [89]\d % full; nothing is taken in/);
    expect(refused.headers['retry-after']).toBe('5');
    await request(harness.app).get(`/batch-result/${body.task_id}`).expect(200);
    await redis.redis.config('SET', 'maxmemory', 0);
    await until(() => submit(1), 202);
  });

  it('is not ready', async () => {
    await startWith({});
    await request(harness.app).get('/readyz').expect(200);
    await fillTo(0.95);
    const { body } = await request(harness.app).get('/readyz').expect(503);
    expect(body.problems).toEqual([expect.stringMatching(/^Redis is 9\d % full \(maxmemory\)$/)]);
  });
});

async function unfinished(): Promise<string[]> {
  return redis.redis.zrange(keys.unfinished(), 0, '-1');
}

/** Asks again until the answer is the one that is expected, or has this status; the test's own time limits it. */
async function until<T>(ask: () => PromiseLike<T>, expected: number | ((answer: T) => boolean)): Promise<T> {
  for (;;) {
    const answer = await ask();
    const isIt =
      typeof expected === 'number' ? (answer as { status: number }).status === expected : expected(answer);
    if (isIt) return answer;
  }
}
