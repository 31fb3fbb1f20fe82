import { once } from 'node:events';
import { Agent, type IncomingMessage, request, type Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { useRedis } from '../../../test/fixtures/redis.js';
import { type Harness, startHarness } from './harness.js';

const redis = useRedis();
const agent = new Agent({ keepAlive: true, maxSockets: 1 });
const sockets: Socket[] = [];
let harness: Harness;
let server: Server;

beforeAll(async () => {
  harness = await startHarness(redis.url, redis.freshKeys());
  server = harness.app.listen(0, '127.0.0.1');
  server.on('connection', (socket) => sockets.push(socket));
  await once(server, 'listening');
});
afterAll(async () => {
  agent.destroy();
  server.close();
  await harness.stop();
});

/** Sends the second half of the body when the answer is there already. */
async function refuseHalfway(): Promise<number | undefined> {
  const { port } = server.address() as AddressInfo;
  const headers = { 'content-type': 'text/plain', 'content-length': '8' };
  const sent = request({ port, path: '/batch-predict', method: 'POST', agent, headers });
  sent.write('half');
  const [response] = (await once(sent, 'response')) as [IncomingMessage];
  sent.end('half');
  await response.resume().toArray();
  return response.statusCode;
}

it('a connection on which many uploads were refused halfway is as it was', async () => {
  expect(await refuseHalfway()).toBe(415);
  const [socket] = sockets;
  const listeners = () => socket?.listenerCount('close');
  const before = listeners();
  for (let upload = 0; upload < 20; upload++) expect(await refuseHalfway()).toBe(415);
  expect(sockets.length).toBe(1);
  await expect.poll(listeners).toBe(before);
});
