import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connectForWork, type RedisConnection } from '@millrace/queue/connection';
import { FinishedEvents } from '@millrace/queue/finished-events';
import { Keys } from '@millrace/queue/keys';
import { watchOutages } from '@millrace/queue/outages';
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest';
import { RedisSentinel } from '../../../test/fixtures/redis-sentinel.js';

const directory = mkdtempSync(join(tmpdir(), 'millrace-sentinel-'));
let sentinel: RedisSentinel;

beforeAll(async () => {
  sentinel = await RedisSentinel.start(directory);
});
afterAll(async () => {
  await sentinel.stop();
  rmSync(directory, { recursive: true });
});

function opened(): RedisConnection {
  const connection = connectForWork(sentinel.url);
  watchOutages(connection, { lost: () => {}, back: () => {} });
  onTestFinished(() => connection.disconnect());
  return connection;
}

it('a master that freezes is left for the one that takes its place, by commands and by listeners', async () => {
  const [connection, subscriber] = [opened(), opened()];
  const keys = new Keys('frozen');
  const events = new FinishedEvents(subscriber, keys);
  await events.start();
  await connection.set('key', 1);
  sentinel.master.process.kill('SIGSTOP');
  // Sent to the frozen server, which takes it and says nothing.
  expect(await connection.set('key', 2)).toBe('OK');
  expect(await connection.info('server')).toContain(`tcp_port:${sentinel.replica.port}\r\n`);

  const stopped = new AbortController();
  const heard = events.wait('task', 600_000, stopped.signal);
  const publish = async () => {
    while (!stopped.signal.aborted) await connection.publish(keys.finished(), 'task');
  };
  await Promise.race([heard.finally(() => stopped.abort()), publish()]);
});
