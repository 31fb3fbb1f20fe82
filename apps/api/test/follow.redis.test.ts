import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { get, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { ColumnBuilder } from '@millrace/batch/results/column';
import { encodeChunk } from '@millrace/batch/results/encode-chunk';
import fc from 'fast-check';
import request from 'supertest';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { useRedis } from '../../../test/fixtures/redis.js';
import { startRedisProxy } from '../../../test/fixtures/redis-proxy.js';
import { type Harness, LIMITS, startHarness } from './harness.js';
import { downloadResult, storeReceiving, storeTask } from './tasks.js';

const redis = useRedis();
const keys = redis.freshKeys();
const NDJSON = 'application/x-ndjson';
const ROWS = 3;
let harness: Harness;
let server: Server;

beforeAll(async () => {
  harness = await startHarness(redis.url, keys);
  server = await serve(harness);
});
afterAll(async () => {
  server.close();
  await harness.stop();
});

async function serve({ app }: Harness): Promise<Server> {
  const started = app.listen(0, '127.0.0.1');
  await once(started, 'listening');
  return started;
}

const chunksOf = (count: number) => new Array<number>(count).fill(ROWS);
const receiving = (chunks: number) => storeReceiving(harness, chunksOf(chunks));
const taskOf = (chunks: number) => storeTask(harness, chunksOf(chunks));

/** The middle row of each chunk is bad; row i is predicted as i. */
async function commit(id: string, index: number): Promise<void> {
  const firstRow = index * ROWS;
  const label = new ColumnBuilder({ name: 'label', type: 'int64', shape: [] }, ROWS);
  label.add(
    Uint32Array.of(0, 1, 2),
    BigInt64Array.from([0, 1, 2], (at) => BigInt(firstRow + at)),
    [],
  );
  const errors = [{ row: firstRow + 1, code: 'wrong_type' as const, message: 'no number' }];
  const outcome = { firstRow, rows: ROWS, errors, columns: [label.finish()] };
  await harness.store.commit(id, index, encodeChunk({ ...outcome, shown: { primary: 'label' } }));
}

/** An answer as it comes in. */
class Following {
  text = '';
  /** Resolves with whether the answer came to its end, or was cut. */
  readonly closed: Promise<'ended' | 'cut'>;

  private constructor(readonly response: IncomingMessage) {
    response.setEncoding('utf8').on('data', (data) => {
      this.text += data;
    });
    response.on('error', () => {});
    this.closed = new Promise((resolve) => {
      response.once('close', () => resolve(response.complete ? 'ended' : 'cut'));
    });
  }

  static async open(id: string, query = '', accept = NDJSON, from = server): Promise<Following> {
    const { port } = from.address() as AddressInfo;
    const path = `/batch-result/${id}?follow=true${query}`;
    const call = get({ port, path, headers: { accept } });
    const [response] = (await once(call, 'response')) as [IncomingMessage];
    return new Following(response);
  }

  /** Resolves when so many lines have come. */
  async lines(count: number): Promise<string[]> {
    while (this.text.split('\n').length <= count) await once(this.response, 'data');
    return this.text.split('\n').slice(0, -1);
  }
}

const download = (id: string, accept = NDJSON) => downloadResult(harness, id, accept);

/** Who waits for an event of which task. */
const waiters = () => (harness.progress as unknown as { waiters: Map<string, unknown> }).waiters;

const line = (row: number) =>
  row % ROWS === 1
    ? `{"row":${row},"error":{"code":"wrong_type","message":"no number"}}`
    : `{"row":${row},"prediction":${row}}`;

describe('GET /batch-result/:id?follow=true', () => {
  it('answers at once, gives rows in input order as soon as they are there, and ends with the task', async () => {
    const id = await taskOf(3);
    const following = await Following.open(id);
    expect(following.response.statusCode).toBe(200);
    expect(following.response.headers['content-type']).toBe('application/x-ndjson; charset=utf-8');
    await commit(id, 1);
    await commit(id, 0);
    expect(await following.lines(6)).toEqual([0, 1, 2, 3, 4, 5].map(line));
    await commit(id, 2);
    expect(await following.closed).toBe('ended');
    expect(following.text).toBe(await download(id));
  });

  it('begins while the rows are still being received', async () => {
    const id = await receiving(1);
    const following = await Following.open(id);
    await commit(id, 0);
    expect(await following.lines(3)).toEqual([0, 1, 2].map(line));
    const rows = { index: 1, firstRow: ROWS, rows: ROWS, bytes: Buffer.from('…') };
    await harness.store.append(id, rows);
    await commit(id, 1);
    await following.lines(6);
    await harness.store.seal(id, 2);
    expect(await following.closed).toBe('ended');
    expect(following.text).toBe(await download(id));
  });

  it('is a part of the download, from any row, whatever is finished when', async () => {
    const order = fc.shuffledSubarray([0, 1, 2, 3], { minLength: 4 });
    await fc.assert(
      fc.asyncProperty(order, fc.nat(4), fc.nat(14), async (chunks, joinedAfter, row) => {
        const id = await taskOf(chunks.length);
        for (const index of chunks.slice(0, joinedAfter)) await commit(id, index);
        const following = await Following.open(id, `&from_row=${row}`);
        for (const index of chunks.slice(joinedAfter)) await commit(id, index);
        expect(await following.closed).toBe('ended');
        const lines = (await download(id)).split('\n');
        expect(following.text).toBe(lines.slice(row).join('\n'));
      }),
      { numRuns: 25 },
    );
  });

  it('has CSV with its header at once, and every output when asked for', async () => {
    const id = await taskOf(2);
    const csv = await Following.open(id, '', 'text/csv');
    const all = await Following.open(id, '&outputs=all');
    expect(await csv.lines(1)).toEqual(['row,id,prediction,error_code,error_message\r']);
    await commit(id, 0);
    expect((await all.lines(3))[2]).toBe('{"row":2,"prediction":{"label":2}}');
    await commit(id, 1);
    expect([await csv.closed, await all.closed]).toEqual(['ended', 'ended']);
    expect(csv.text).toBe(await download(id, 'text/csv'));
  });

  it('names the rows of a task that is cancelled meanwhile', async () => {
    const id = await taskOf(2);
    const following = await Following.open(id);
    await commit(id, 0);
    await following.lines(3);
    await request(harness.app).post(`/batch-result/${id}/cancel`).expect(200);
    expect(await following.closed).toBe('ended');
    expect(following.text).toBe(await download(id));
    expect(following.text).toContain('"code":"cancelled"');
  });

  it('ends with the error of a task whose upload breaks off', async () => {
    const id = await receiving(2);
    const following = await Following.open(id);
    await commit(id, 0);
    await following.lines(3);
    await harness.store.abort(id, 'the client went away');
    expect(await following.closed).toBe('ended');
    expect(following.text.split('\n').slice(3).join('\n')).toBe(await download(id));
  });

  it('hears of what was committed while it could not listen', async () => {
    const id = await taskOf(1);
    const following = await Following.open(id);
    await expect.poll(() => waiters().has(id), { timeout: 10_000 }).toBe(true);
    await redis.redis.multi([['client', 'kill', 'type', 'pubsub']]).exec();
    await commit(id, 0);
    expect(await following.closed).toBe('ended');
    expect(following.text).toBe(await download(id));
  });

  it('is the download of a task that has ended', async () => {
    const id = await taskOf(1);
    await commit(id, 0);
    const following = await Following.open(id);
    expect(await following.closed).toBe('ended');
    expect(following.text).toBe(await download(id));
  });
});

describe('a followed task whose rows cannot be given', () => {
  it.each([
    ['it is erased', (id: string) => harness.store.erase(id)],
    ['its record is gone', (id: string) => redis.redis.del(keys.task(id), keys.chunks(id))],
    [
      'its results have expired',
      async (id: string) => {
        await redis.redis.del(keys.chunks(id));
        await redis.redis.hset(keys.task(id), { status: 'succeeded', expires_at: 1 });
      },
    ],
  ])('cuts the connection when %s', async (_, harm) => {
    const id = await taskOf(2);
    const following = await Following.open(id);
    await commit(id, 0);
    await following.lines(3);
    await harm(id);
    expect(await following.closed).toBe('cut');
  });

  it('cuts the connection when Redis goes away, and a new one goes on at the next row', async () => {
    const proxy = await startRedisProxy(redis.server.port);
    const apart = await startHarness(proxy.url, keys);
    const other = await serve(apart);
    onTestFinished(async () => {
      other.close();
      await apart.stop();
    });
    const id = await taskOf(2);
    const following = await Following.open(id, '', NDJSON, other);
    await commit(id, 0);
    await following.lines(3);
    await proxy.stop();
    expect(await following.closed).toBe('cut');
    const resumed = await Following.open(id, '&from_row=3');
    await commit(id, 1);
    expect(await resumed.closed).toBe('ended');
    expect(following.text + resumed.text).toBe(await download(id));
  });
});

it('a task is followed for so long and no longer', async () => {
  const brief = await startHarness(redis.url, keys, undefined, { ...LIMITS, followMaxMs: 50 });
  const other = await serve(brief);
  onTestFinished(async () => {
    other.close();
    await brief.stop();
  });
  const following = await Following.open(await taskOf(1), '', NDJSON, other);
  expect(await following.closed).toBe('cut');
});

it('a client that leaves ends the work for it', async () => {
  const id = await taskOf(1);
  const following = await Following.open(id);
  await expect.poll(() => waiters().has(id), { timeout: 10_000 }).toBe(true);
  following.response.destroy();
  await expect.poll(() => waiters().has(id), { timeout: 1_500 }).toBe(false);
});

it.each([
  ['?follow=yes', NDJSON, 400, 'invalid_parameter'],
  ['?follow=true', 'application/json', 400, 'conflicting_parameter'],
  ['?follow=true&after=0', NDJSON, 400, 'conflicting_parameter'],
  ['?follow=true', NDJSON, 404, 'unknown_task'],
])('%s of %s is refused: %i %s', async (query, accept, status, code) => {
  const answer = request(harness.app).get(`/batch-result/${randomUUID()}${query}`).set('accept', accept);
  expect((await answer.expect(status)).body).toMatchObject({ code });
});
