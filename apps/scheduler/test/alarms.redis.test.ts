/** Alarms on their way to a webhook, and the log of what became of them. */
import { createLogger } from '@millrace/process/logger';
import { connectForRequests, type RedisConnection } from '@millrace/queue/connection';
import { newAlarm } from '@millrace/queue/schedules/alarm';
import { AlarmStore } from '@millrace/queue/schedules/alarm-store';
import { DELIVERY_TRIES } from '@millrace/queue/schedules/schedule-queues';
import { Webhook as Verifier } from 'standardwebhooks';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { type Received, receiver, useServers } from '../../../test/fixtures/http-server.js';
import { useRedis } from '../../../test/fixtures/redis.js';
import { deliverAlarm } from '../dist/alarms/take-alarm.js';
import { Connections } from '../dist/connections/connections.js';

const SECRET = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';
const redis = useRedis({ appendonly: 'no' });
const start = useServers();
const { signal: NEVER } = new AbortController();
let connection: RedisConnection;
let alarms: AlarmStore;
let received: Received[];

beforeAll(async () => {
  connection = connectForRequests(redis.url);
  await connection.connect();
});
afterAll(() => connection.disconnect());
beforeEach(() => {
  alarms = new AlarmStore(connection, redis.freshKeys());
  received = [];
});

const ALARM = newAlarm(
  {
    type: 'run.failed',
    schedule: 'nightly',
    logical_date: '2026-11-20',
    message: 'the run 2026-11-20 of nightly has failed: there is no file',
    connection: 'oncall',
    details: { attempt: 5 },
  },
  Date.parse('2026-11-20T01:30:00Z'),
);

/** Tells a receiver that answers so. */
async function deliver(status: number, attempt = 1, alarm = ALARM) {
  const { url } = await start(receiver(received, (_, response) => response.writeHead(status).end('thanks')));
  const connections = new Connections({ oncall: { kind: 'webhook', url, secret: SECRET } });
  const log = createLogger({ service: 'scheduler', level: 'error', format: 'json' });
  return deliverAlarm({ alarms, connections, log, now: Date.now }, alarm, attempt, NEVER);
}

it('an alarm is told as a signed event, and noted', async () => {
  expect(await deliver(204)).toEqual({ kind: 'done' });
  const [{ headers, body }] = received as [Received];
  const event = new Verifier(SECRET).verify(body, headers as Record<string, string>);
  expect(event).toEqual({
    type: 'run.failed',
    timestamp: '2026-11-20T01:30:00.000Z',
    data: {
      schedule: 'nightly',
      logical_date: '2026-11-20',
      message: 'the run 2026-11-20 of nightly has failed: there is no file',
      details: { attempt: 5 },
    },
  });
  expect(headers['webhook-id']).toBe(ALARM.id);
  expect(await alarms.deliveries('nightly')).toMatchObject([
    { alarm: ALARM.id, outcome: 'delivered', status: 204, attempt: 1, connection: 'oncall' },
  ]);
});

it('is told again while that may help, under the same id, and every try is noted', async () => {
  expect(await deliver(503)).toEqual({ kind: 'retry', reason: '503 "thanks"' });
  expect(await deliver(200, 2)).toEqual({ kind: 'done' });
  expect(new Set(received.map(({ headers }) => headers['webhook-id']))).toEqual(new Set([ALARM.id]));
  expect(await alarms.deliveries('nightly')).toMatchObject([
    { attempt: 2, outcome: 'delivered' },
    { attempt: 1, outcome: 'failed', status: 503, reason: '503 "thanks"' },
  ]);
});

it.each([
  ['the receiver wants none of it', () => deliver(400), { status: 400 }],
  ['it was told often enough', () => deliver(500, DELIVERY_TRIES), { status: 500 }],
  [
    'there is no such webhook',
    () => deliver(200, 1, { ...ALARM, connection: 'on-call' }),
    { reason: expect.stringContaining('oncall') },
  ],
])('is given up when %s', async (_, tell, noted) => {
  expect(await tell()).toEqual({ kind: 'done' });
  expect(await alarms.deliveries('nightly')).toMatchObject([{ outcome: 'given_up', ...noted }]);
});
