import { once } from 'node:events';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import request from 'supertest';
import { expect, it, onTestFinished } from 'vitest';
import { irisRows, toNdjson } from '../../../test/fixtures/iris.js';
import { useRedis } from '../../../test/fixtures/redis.js';
import { LIMITS, startHarness } from './harness.js';

const redis = useRedis();
const MIB = 1024 * 1024;
const PIECE = Buffer.from(toNdjson(irisRows(1_000)));
/** Far more than all buffers between the client and Redis hold. */
const UPLOAD_BYTES = 128 * MIB;
const STUCK_MS = 500;

it('stops reading the upload while Redis does not take it, and goes on when it does', async () => {
  const harness = await startHarness(redis.url, redis.freshKeys(), undefined, {
    ...LIMITS,
    maxBodyBytes: 2 * UPLOAD_BYTES,
  });
  const server = harness.app.listen(0, '127.0.0.1');
  onTestFinished(async () => {
    server.close();
    await harness.stop();
  });
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const headers = { 'content-type': 'application/x-ndjson' };
  const call = httpRequest({ port, method: 'POST', path: '/batch-predict?model=iris', headers });
  const answered = once(call, 'response') as Promise<[IncomingMessage]>;

  // Afterwards everything but the rows has been written, and the pause meets the upload itself.
  await request(harness.app).post('/batch-predict?model=iris').send(irisRows(1)).expect(202);
  await redis.redis.call('CLIENT', 'PAUSE', '4000', 'WRITE');
  let sent = 0;
  let isStuck = false;
  while (!isStuck && sent < UPLOAD_BYTES) {
    sent += PIECE.length;
    if (!call.write(PIECE)) isStuck = await staysFull(call);
  }
  expect(isStuck).toBe(true);
  expect(sent).toBeLessThan(32 * MIB);

  await redis.redis.call('CLIENT', 'UNPAUSE');
  call.end();
  const [response] = await answered;
  const body = JSON.parse(Buffer.concat(await response.toArray()).toString());
  expect(response.statusCode).toBe(202);
  expect(body.rows.total).toBe((sent / PIECE.length) * 1_000);
});

/** True when the socket takes nothing for a while. */
async function staysFull(call: ReturnType<typeof httpRequest>): Promise<boolean> {
  const patience = AbortSignal.timeout(STUCK_MS);
  try {
    await once(call, 'drain', { signal: patience });
    return false;
  } catch {
    return true;
  }
}
