import { once } from 'node:events';
import type { Server } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import express, { type Response } from 'express';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { WholeBodies } from '../dist/submit/whole-bodies.js';

const MAX_BYTES = 10;
const BODY = new Uint8Array(MAX_BYTES);
const BROKEN = new Error('the body broke off');

let bodies: WholeBodies;
let server: Server;
/** Resolves with the next response that is to be given. */
let asked: Promise<Response>;

beforeEach(async () => {
  bodies = new WholeBodies(MAX_BYTES);
  const app = express();
  asked = new Promise((resolve) => {
    app.get('/', (_, response) => resolve(response));
  });
  server = app.listen(0, '127.0.0.1');
  await once(server, 'listening');
});
afterEach(() => server.close());

/** A request that is answered by nobody; the client goes with the function that comes with it. */
async function open(): Promise<{ response: Response; leave: () => Promise<void> }> {
  const client = connect((server.address() as AddressInfo).port, '127.0.0.1');
  client.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n');
  const response = await asked;
  const leave = async () => {
    client.destroy();
    if (!response.closed) await once(response, 'close');
  };
  return { response, leave };
}

async function* pieces(error?: Error): AsyncGenerator<Uint8Array> {
  yield BODY;
  if (error !== undefined) throw error;
}

it('a body counts until its answer is done', async () => {
  const { response, leave } = await open();
  await bodies.read(pieces(), response);
  await expect(bodies.read(pieces(), response)).rejects.toMatchObject({ code: 'overloaded' });
  await leave();
  expect(await bodies.read(pieces(), response)).toHaveLength(MAX_BYTES);
});

it('a body whose client had gone before it was read counts no longer', async () => {
  const { response, leave } = await open();
  await leave();
  for (let time = 0; time < 2; time++) {
    expect(await bodies.read(pieces(), response)).toHaveLength(MAX_BYTES);
  }
});

it('a body whose client goes while it is read counts no longer', async () => {
  const { response, leave } = await open();
  async function* interrupted() {
    await leave();
    yield BODY;
  }
  await bodies.read(interrupted(), response);
  expect(await bodies.read(pieces(), response)).toHaveLength(MAX_BYTES);
});

it('a body that breaks off counts no longer, though its answer is still to come', async () => {
  const { response, leave } = await open();
  await expect(bodies.read(pieces(BROKEN), response)).rejects.toBe(BROKEN);
  expect(await bodies.read(pieces(), response)).toHaveLength(MAX_BYTES);
  await leave();
});
