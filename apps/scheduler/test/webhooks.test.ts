/** Webhooks: signed as the specification says, tried again only where that may help, and results in bounded messages. */
import { toLine } from '@millrace/batch/results/read-chunk';
import { Webhook as Verifier } from 'standardwebhooks';
import { describe, expect, it } from 'vitest';
import { type Received, receiver, useServers } from '../../../test/fixtures/http-server.js';
import { RunError } from '../dist/run-error.js';
import type { SinkContext } from '../dist/sinks/sink.js';
import { WEBHOOK_BOUNDS, type WebhookBounds, writeWebhookSink } from '../dist/sinks/webhook.js';
import { deliver } from '../dist/webhooks/deliver.js';
import { send } from '../dist/webhooks/send.js';
import { secretKey, sign } from '../dist/webhooks/standard-webhooks.js';
import { contextOf, outputOf, resultRows } from './output.js';

const SECRET = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';
const MESSAGE = { id: 'nightly.2026-11-20.0', contentType: 'application/json', body: Buffer.from('{"é":1}') };
const { signal: NEVER } = new AbortController();

describe('a signature', () => {
  it('is that of the specification’s own test vector', () => {
    const body = Buffer.from('{"test": 2432232314}');
    expect(sign(secretKey(SECRET), 'msg_p5jXN8AQM9LWM0D4loKWxJek', 1614265330_999, body)).toEqual({
      'webhook-id': 'msg_p5jXN8AQM9LWM0D4loKWxJek',
      'webhook-timestamp': '1614265330',
      'webhook-signature': 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
    });
  });

  it.each([
    'MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw',
    'whsec_',
    'whsec_not base64!!',
    `whsec_${Buffer.alloc(23).toString('base64')}`,
    `whsec_${Buffer.alloc(65).toString('base64')}`,
  ])('needs a secret by the specification, and never shows what it was: %s', (secret) => {
    expect(() => secretKey(secret)).toThrow(/^a webhook's secret is (whsec_ and )?base64/);
    expect(() => secretKey(secret)).not.toThrow(secret.slice('whsec_'.length) || 'nothing');
  });
});

describe('a message', () => {
  const start = useServers();

  it('is believed by the specification’s own verifier', async () => {
    const received: Received[] = [];
    const { url } = await start(receiver(received, (_, response) => response.end('thanks')));
    expect(await send({ url: `${url}/hook`, secret: SECRET }, MESSAGE, 5_000, NEVER)).toEqual({
      outcome: 'delivered',
      status: 200,
      said: 'thanks',
    });
    const [{ headers, body } = { headers: {}, body: '' }] = received;
    expect(new Verifier(SECRET).verify(body, headers as Record<string, string>)).toEqual({ é: 1 });
    expect(headers['content-type']).toBe('application/json');
    expect(() => new Verifier(SECRET).verify(`${body} `, headers as Record<string, string>)).toThrow();
  });

  it('takes user and password from the URL', async () => {
    const received: Received[] = [];
    const { url } = await start(receiver(received, (_, response) => response.end()));
    await send({ url: url.replace('//', '//ops:p%40ss@'), secret: SECRET }, MESSAGE, 5_000, NEVER);
    expect(received[0]?.headers.authorization).toBe(`Basic ${Buffer.from('ops:p@ss').toString('base64')}`);
  });

  it.each([
    [400, false],
    [401, false],
    [404, false],
    [408, true],
    [410, false],
    [425, true],
    [429, true],
    [500, true],
    [503, true],
    [302, false],
  ])('that is answered with %i is worth another attempt: %s', async (status, isTransient) => {
    const { url, requests } = await start((_, response) =>
      response.writeHead(status, { location: '/elsewhere' }).end('x'.repeat(5_000)),
    );
    expect(await send({ url, secret: SECRET }, MESSAGE, 5_000, NEVER)).toEqual({
      outcome: 'refused',
      status,
      said: 'x'.repeat(1_024),
      isTransient,
      retryAfterMs: 0,
    });
    expect(requests.length).toBe(1);
  });

  it.each([
    ['120', 120_000, 120_000],
    [new Date(Date.now() + 3_600_000).toUTCString(), 3_500_000, 3_600_000],
    ['Fri, 20 Nov 2020 00:00:00 GMT', 0, 0],
    ['soon', 0, 0],
  ])('knows how long to leave the receiver alone: Retry-After: %s', async (header, atLeast, atMost) => {
    const { url } = await start((_, response) => response.writeHead(429, { 'retry-after': header }).end());
    const delivery = await send({ url, secret: SECRET }, MESSAGE, 5_000, NEVER);
    const { retryAfterMs } = delivery as { retryAfterMs: number };
    expect(retryAfterMs).toBeGreaterThanOrEqual(atLeast);
    expect(retryAfterMs).toBeLessThanOrEqual(atMost);
  });

  it('waits for no answer without a bound, and is given up with its run', async () => {
    const { url } = await start(() => {});
    const webhook = { url, secret: SECRET };
    expect(await send(webhook, MESSAGE, 50, NEVER)).toEqual({
      outcome: 'unanswered',
      reason: 'no answer within 50 ms',
    });
    const run = new AbortController();
    const sending = send(webhook, MESSAGE, 60_000, run.signal);
    run.abort(new Error('cancelled'));
    await expect(sending).rejects.toThrow('cancelled');
  });

  it('is delivered by its status, though the answer breaks off', async () => {
    const { url } = await start((_, response) => {
      response.writeHead(200, { 'content-length': 100 }).write('than', () => response.destroy());
    });
    const delivery = await send({ url, secret: SECRET }, MESSAGE, 5_000, NEVER);
    expect(delivery).toMatchObject({ outcome: 'delivered', status: 200 });
  });

  it('is tried until it is taken, under the same id and signed anew', async () => {
    const received: Received[] = [];
    const { url } = await start(
      receiver(received, (request, response) => {
        if (received.length === 1) request.socket.destroy();
        else response.writeHead(received.length === 2 ? 503 : 204).end();
      }),
    );
    const bounds = { timeoutMs: 5_000, firstDelayMs: 1, maxDelayMs: 2, totalMs: 60_000 };
    expect(await deliver({ url, secret: SECRET }, MESSAGE, bounds, NEVER)).toMatchObject({ status: 204 });
    expect(received.map(({ headers }) => headers['webhook-id'])).toEqual(Array(3).fill(MESSAGE.id));
    for (const { headers, body } of received) {
      expect(new Verifier(SECRET).verify(body, headers as Record<string, string>)).toEqual({ é: 1 });
    }
  });

  it('is given up when the receiver wants to be left alone for longer than there is', async () => {
    const { url, requests } = await start((_, response) =>
      response.writeHead(429, { 'retry-after': '3600' }).end(),
    );
    const bounds = { timeoutMs: 5_000, firstDelayMs: 1, maxDelayMs: 2, totalMs: 60_000 };
    expect(await deliver({ url, secret: SECRET }, MESSAGE, bounds, NEVER)).toMatchObject({ status: 429 });
    expect(requests.length).toBe(1);
  });
});

describe('a webhook sink', () => {
  const start = useServers();
  const ROWS = resultRows(25);
  const TEXT = ROWS.map(toLine).join('');

  function write(
    url: string,
    context: Partial<SinkContext> = {},
    bounds: Partial<WebhookBounds> = {},
    chunkRows = 7,
  ) {
    const short = { ...WEBHOOK_BOUNDS, firstDelayMs: 1, maxDelayMs: 2, totalMs: 50, maxRows: 10 };
    const deps = {
      connections: { get: () => ({ url: `${url}/secret/path`, secret: SECRET }) },
      bounds: { ...short, ...bounds },
    };
    const sink = { kind: 'webhook' as const, connection: 'oncall' };
    return writeWebhookSink(sink, deps, outputOf(ROWS, chunkRows), contextOf(context));
  }

  it('posts all rows in order, in messages of so many rows, and notes each', async () => {
    const received: Received[] = [];
    const noted: number[] = [];
    const { url } = await start(receiver(received, (_, response) => response.end()));
    const written = await write(url, { note: async (rows) => void noted.push(rows) });
    expect(received.map(({ headers }) => headers['webhook-id'])).toEqual([
      'nightly.2026-11-20.task-1.0',
      'nightly.2026-11-20.task-1.10',
      'nightly.2026-11-20.task-1.20',
    ]);
    expect(received.map(({ body }) => body).join('')).toBe(TEXT);
    expect(received[0]?.headers['content-type']).toBe('application/x-ndjson');
    expect(noted).toEqual([10, 20, 25]);
    expect(written).toEqual({ location: 'webhook oncall', rows: 25, bytes: Buffer.byteLength(TEXT) });
  });

  it('ends a message before it has too many bytes, but for one row that has more', async () => {
    const received: Received[] = [];
    const { url } = await start(receiver(received, (_, response) => response.end()));
    const [first = '', second = ''] = ROWS.map(toLine);
    await write(url, {}, { maxBytes: first.length + second.length });
    expect(received.map(({ body }) => body).join('')).toBe(TEXT);
    expect(received[0]?.body).toBe(first + second);
    expect(received.some(({ body }) => body.length > first.length + second.length)).toBe(true);
    expect(
      received.every(({ body }) => body.length <= 2 * first.length || body.split('\n').length === 2),
    ).toBe(true);
  });

  it('goes on where it was, with the messages that it would have sent, however rows are stored', async () => {
    const whole: Received[] = [];
    const rest: Received[] = [];
    const one = await start(receiver(whole, (_, response) => response.end()));
    const two = await start(receiver(rest, (_, response) => response.end()));
    await write(one.url);
    await write(two.url, { writtenRows: 10 }, {}, 3);
    const told = (all: Received[]) => all.map(({ headers, body }) => [headers['webhook-id'], body]);
    expect(told(rest)).toEqual(told(whole).slice(1));
  });

  it('asks before every message whether the run is still its own', async () => {
    const received: Received[] = [];
    const { url } = await start(receiver(received, (_, response) => response.end()));
    const fence = () => (received.length === 1 ? Promise.reject(new Error('taken over')) : Promise.resolve());
    await expect(write(url, { fence })).rejects.toThrow('taken over');
    expect(received.length).toBe(1);
  });

  it.each([
    [503, 'sink_unavailable', true],
    [400, 'sink_refused', false],
  ])(
    'that answers %i in the end fails the run with %s, and the URL is not shown',
    async (status, code, isTransient) => {
      const noted: number[] = [];
      const { url, requests } = await start((_, response) =>
        response.writeHead(requests.length === 1 ? 200 : status).end('no\n  room'),
      );
      const writing = write(url, { note: async (rows) => void noted.push(rows) });
      const error = await writing.catch((thrown: unknown) => thrown);
      expect(error).toBeInstanceOf(RunError);
      expect(error).toMatchObject({
        code,
        isTransient,
        message: `the webhook "oncall" did not take rows 10 to 19: ${status} "no room"`,
      });
      expect(noted).toEqual([10]);
    },
  );
});
