/** Requests with an idempotency key that meet each other, or an outage, while their rows are being received. */
import { once } from 'node:events';
import { type ClientRequest, request as httpRequest, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import request from 'supertest';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { irisRows, toNdjson } from '../../../test/fixtures/iris.js';
import { useRedis } from '../../../test/fixtures/redis.js';
import { type Harness, LIMITS, startHarness } from './harness.js';

const redis = useRedis();
/** One that is stopped on the way. */
const doomed = useRedis();
const keys = redis.freshKeys();
const LINES = toNdjson(irisRows(25));
const PATH = '/batch-predict?model=iris';
const NDJSON = 'application/x-ndjson';

let harness: Harness;
let server: Server;
let key: string;
let count = 0;

beforeAll(async () => {
  harness = await startHarness(redis.url, keys);
  server = harness.app.listen(0, '127.0.0.1');
  await once(server, 'listening');
});
afterAll(async () => {
  server.closeAllConnections();
  server.close();
  await harness.stop();
});
beforeEach(() => {
  count++;
  key = `key-${count}`;
});

const submit = (body = LINES) =>
  request(server).post(PATH).set('content-type', NDJSON).set('idempotency-key', key).send(body);

const stored = () => redis.keysUnder(keys.prefix);
const tasks = async () => (await stored()).filter((each) => each.endsWith(':task')).length;

describe('while an upload is under way', () => {
  it('another one with its key is refused before its body is read, and is answered afterwards', async () => {
    const upload = await openUpload();
    const early = openCall();
    early.flushHeaders();
    expect(await answerTo(early)).toMatchObject({
      status: 409,
      headers: { 'retry-after': '1' },
      body: { code: 'idempotency_key_in_use' },
    });
    early.destroy();
    upload.end(LINES);
    const first = await answerTo(upload);
    const again = await submit(LINES + LINES).expect(202);
    expect(again.body.task_id).toBe(first.body.task_id);
  });

  it('its client may go away, and try again', async () => {
    const before = await tasks();
    const upload = await openUpload();
    upload.destroy();
    await vanished(keys.lease('anonymous', key));
    expect(await redis.redis.exists(keys.claim('anonymous', key))).toBe(0);
    const { body } = await submit().expect(202);
    expect(body.status).toBe('pending');
    // The failed record of the one, and the other.
    expect(await tasks()).toBe(before + 2);
  });

  it('its key is held for longer than a lease', async () => {
    const brief = await startHarness(redis.url, keys, undefined, LIMITS, { leaseMs: 150, keptMs: 60_000 });
    const other = brief.app.listen(0, '127.0.0.1');
    await once(other, 'listening');
    const upload = await openUpload(other);
    const lease = keys.lease('anonymous', key);
    // Watches the lifetime rise, which only a renewal brings about.
    let renewals = 0;
    for (let last = await redis.redis.pttl(lease); renewals < 5; ) {
      const ttl = await redis.redis.pttl(lease);
      expect(ttl).toBeGreaterThan(0);
      if (ttl > last) renewals++;
      last = ttl;
    }
    upload.end(LINES);
    expect((await answerTo(upload)).status).toBe(202);
    other.closeAllConnections();
    other.close();
    await brief.stop();
  });

  it('another request may take its key over before there is a task, too', async () => {
    const upload = openCall();
    upload.write('[');
    while ((await redis.redis.exists(keys.claim('anonymous', key))) === 0);
    await redis.redis.pexpire(keys.lease('anonymous', key), 0);
    const { body } = await submit().expect(202);
    upload.end(LINES.slice(1));
    expect((await answerTo(upload)).status).toBe(409);
    const again = await submit().expect(202);
    expect(again.body.task_id).toBe(body.task_id);
  });

  it('another request that has taken its key over has its task accepted, and it has not', async () => {
    const before = await tasks();
    const upload = await openUpload();
    await redis.redis.pexpire(keys.lease('anonymous', key), 0);
    const { body } = await submit(LINES + LINES).expect(202);
    upload.end(LINES);
    expect((await answerTo(upload)).status).toBe(409);
    const again = await submit(LINES + LINES).expect(202);
    expect(again.body.task_id).toBe(body.task_id);
    // The failed record of the one, and the other.
    expect(await tasks()).toBe(before + 2);
  });

  it('which another request is about to take over says so, and not that its task was cancelled', async () => {
    const upload = await openUpload();
    const task = (await redis.redis.hget(keys.claim('anonymous', key), 'task')) as string;
    // What the other request does first; it takes the key afterwards.
    await harness.store.abort(task, 'the API process that received it fell silent');
    upload.end(LINES);
    expect(await answerTo(upload)).toMatchObject({ status: 503, body: { code: 'upload_interrupted' } });
    await submit().expect(202);
  });

  it('Redis may turn out to be full, which frees its key', async () => {
    const before = await stored();
    const upload = await openUpload();
    await redis.redis.config('SET', 'maxmemory', '1mb');
    try {
      upload.end(LINES);
      expect(await answerTo(upload)).toMatchObject({ status: 503, body: { code: 'store_unavailable' } });
      expect(await stored()).toEqual(before);
    } finally {
      await redis.redis.config('SET', 'maxmemory', '0');
    }
    await submit().expect(202);
  });

  it('its key has a lifetime, and when it is answered', async () => {
    const upload = await openUpload();
    const during = (await stored()).filter((each) => each.includes('{key-'));
    expect(during).toEqual(
      expect.arrayContaining([keys.claim('anonymous', key), keys.lease('anonymous', key)]),
    );
    upload.end(LINES);
    await answerTo(upload);
    const all = [...during, ...(await stored()).filter((each) => each.includes('{key-'))];
    const ttls = await Promise.all(all.map((each) => redis.redis.pttl(each)));
    expect(ttls.filter((ttl) => ttl === -1)).toEqual([]);
    expect(await redis.redis.exists(keys.lease('anonymous', key))).toBe(0);
  });
});

describe('without Redis', () => {
  it('a request with a key is told to try again, before and in mid-upload', async () => {
    const ownKeys = doomed.freshKeys();
    const lost = await startHarness(doomed.url, ownKeys);
    const own = lost.app.listen(0, '127.0.0.1');
    await once(own, 'listening');
    const upload = openCall(own);
    upload.write('[');
    while ((await doomed.redis.exists(ownKeys.claim('anonymous', key))) === 0);
    doomed.redis.on('error', () => {});
    await doomed.server.stop();
    const expected = { status: 503, body: { code: 'store_unavailable' }, headers: { 'retry-after': '2' } };
    upload.end(LINES.slice(1));
    expect(await answerTo(upload)).toMatchObject(expected);
    const next = openCall(own);
    next.end(LINES);
    expect(await answerTo(next)).toMatchObject(expected);
    own.closeAllConnections();
    own.close();
    await lost.stop();
  });
});

function openCall(on = server): ClientRequest {
  const { port } = on.address() as AddressInfo;
  const headers = { 'content-type': NDJSON, 'idempotency-key': key, 'transfer-encoding': 'chunked' };
  const call = httpRequest({ port, method: 'POST', path: PATH, headers });
  call.on('error', () => {});
  return call;
}

/** An upload of which the first rows are stored and more is to come. */
async function openUpload(on = server): Promise<ClientRequest> {
  const call = openCall(on);
  call.write(LINES);
  for (;;) {
    const task = await redis.redis.hget(keys.claim('anonymous', key), 'task');
    if (task !== null && (await redis.redis.hget(keys.task(task), 'chunks')) === '2') return call;
  }
}

async function answerTo(call: ClientRequest) {
  const [response] = (await once(call, 'response')) as [IncomingMessage];
  const body = JSON.parse(Buffer.concat(await response.toArray()).toString());
  return { status: response.statusCode, headers: response.headers, body };
}

/** Asks until the key is gone; the test's own time limit is the bound. */
async function vanished(name: string): Promise<void> {
  while ((await redis.redis.exists(name)) === 1);
}
