import { once } from 'node:events';
import { Agent, type ClientRequest, request as httpRequest, type IncomingMessage } from 'node:http';
import { type PlatformProcess, startProcess } from '@millrace/local/platform-process';
import { freePort } from '@millrace/local/redis-server';
import { CatalogPublisher } from '@millrace/queue/catalog-publisher';
import { Keys } from '@millrace/queue/keys';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { commandName } from '../fixtures/command-names.js';
import { irisDescriptor, irisRows, toNdjson } from '../fixtures/iris.js';
import { useRedis } from '../fixtures/redis.js';
import { startRedisProxy } from '../fixtures/redis-proxy.js';
import { until } from '../fixtures/until.js';

const redis = useRedis();
const PREFIX = 'idempotency';
const keys = new Keys(PREFIX);
const LINES = toNdjson(irisRows(25));
const LEASE_MS = 500;
const KEYS = 20;
const REQUESTS_PER_KEY = 200;

const processes = new Set<PlatformProcess>();
let agent: Agent;
/** An API process that nobody kills. */
let survivor: number;
let key: string;
let count = 0;
let log = '';

beforeAll(async () => {
  const publisher = new CatalogPublisher(redis.redis, keys, 'test-worker');
  // Ten rows to a chunk. No worker takes them.
  await publisher.beat({ served: [irisDescriptor(0.025)], refused: [], aliases: {} }, Date.now());
  survivor = (await startApi().ready).port;
  agent = new Agent({ keepAlive: true, maxSockets: 200 });
});
afterAll(async () => {
  agent.destroy();
  await Promise.all([...processes].map((each) => each.stop()));
});
beforeEach(() => {
  count++;
  key = `key-${count}`;
});

function startApi(env: Record<string, string> = {}): PlatformProcess {
  const settings = {
    LOG_FORMAT: 'json',
    LOG_LEVEL: 'warn',
    REDIS_URL: redis.url,
    KEY_PREFIX: PREFIX,
    PORT: '0',
  };
  const lease = { UPLOAD_LEASE_MS: String(LEASE_MS) };
  const api = startProcess('api', { ...process.env, ...settings, ...lease, ...env }, (text) => {
    log = (log + text).slice(-20_000);
  });
  processes.add(api);
  api.exited.then(() => processes.delete(api));
  return api;
}

interface Answer {
  status: number | undefined;
  id: string;
  isRepeated: boolean;
}

function open(port: number, idempotencyKey: string, body?: string): ClientRequest {
  const headers = { 'content-type': 'application/x-ndjson', 'idempotency-key': idempotencyKey };
  const call = httpRequest({ port, agent, method: 'POST', path: '/batch-predict?model=iris', headers });
  if (body !== undefined) call.end(body);
  return call;
}

async function answerTo(call: ClientRequest): Promise<Answer> {
  const [response] = (await once(call, 'response')) as [IncomingMessage];
  const body = JSON.parse(Buffer.concat(await response.toArray()).toString());
  const isRepeated = response.headers['idempotency-replayed'] === 'true';
  return { status: response.statusCode, id: body.task_id, isRepeated };
}

/** Sends the same again until it is accepted, as a client does that is told to wait. @param isUp resolves when the process can be reached again */
async function insist(port: number, idempotencyKey: string, isUp = async () => {}): Promise<Answer> {
  return until(async () => {
    const answer = await answerTo(open(port, idempotencyKey, LINES)).catch(isUp);
    if (answer?.status === 202) return answer;
    if (answer !== undefined && answer.status !== 409 && answer.status !== 503)
      throw new Error(`${answer.status}\n${log}`);
    return undefined;
  });
}

/** Every task that was accepted, by id. */
async function acceptedTasks(): Promise<Set<string>> {
  const ids = (await redis.keysUnder(PREFIX)).flatMap(
    (name) => /\{([0-9a-f-]{36})\}:task$/.exec(name)?.[1] ?? [],
  );
  const sealed = await Promise.all(ids.map((id) => redis.redis.hget(keys.task(id), 'sealed')));
  return new Set(ids.filter((_, index) => sealed[index] === '1'));
}

describe('an API process that is killed', () => {
  const STEPS: [name: string, script: string, isAccepted: { before: boolean; after: boolean }][] = [
    ['claims the key', 'claim', { before: false, after: false }],
    ['creates the task', 'create', { before: false, after: false }],
    ['stores a chunk', 'append', { before: false, after: false }],
    ['confirms what was received', 'hold', { before: false, after: false }],
    ['seals the task', 'seal', { before: false, after: true }],
    ['answers the key', 'answer', { before: true, after: true }],
  ];
  const moments = STEPS.flatMap(([name, script, isAccepted]) =>
    (['before', 'after'] as const).map((moment) => [moment, name, script, isAccepted[moment]] as const),
  );

  it.each(moments)(
    '%s it %s has one task accepted by the next request',
    async (moment, _name, script, isAccepted) => {
      const proxy = await startRedisProxy(redis.server.port);
      const victim = startApi({ REDIS_URL: proxy.url });
      const { port } = await victim.ready;
      const accepted = await acceptedTasks();
      proxy.decide = (words) =>
        commandName(words, keys) === script
          ? { kind: 'strike', moment, strike: () => victim.child.kill('SIGKILL') }
          : { kind: 'pass' };
      await expect(answerTo(open(port, key, LINES))).rejects.toThrow();
      expect(await victim.exited).toBe('SIGKILL');
      const left = [...(await acceptedTasks())].filter((id) => !accepted.has(id));
      expect(left.length).toBe(isAccepted ? 1 : 0);

      const answer = await insist(survivor, key);
      const now = [...(await acceptedTasks())].filter((id) => !accepted.has(id));
      expect(now).toEqual([answer.id]);
      expect(answer.isRepeated).toBe(isAccepted);
      if (isAccepted) expect(now).toEqual(left);
      expect(await insist(survivor, key)).toMatchObject({ id: answer.id, isRepeated: true });
      expect(await redis.redis.exists(keys.lease('anonymous', key))).toBe(0);
      await proxy.stop();
    },
  );

  it('in mid-upload leaves the key to the next request, which fails what is left of the upload', async () => {
    const victim = startApi();
    const { port } = await victim.ready;
    const upload = open(port, key);
    upload.on('error', () => {});
    upload.write(LINES);
    const claim = keys.claim('anonymous', key);
    const task = await until(async () => (await redis.redis.hget(claim, 'task')) ?? undefined);
    await until(async () => (await redis.redis.hget(keys.task(task), 'chunks')) === '2');
    expect(await answerTo(open(survivor, key, LINES))).toMatchObject({ status: 409 });
    victim.child.kill('SIGKILL');
    await victim.exited;
    const answer = await insist(survivor, key);
    expect(answer.id).not.toBe(task);
    expect(await redis.redis.hmget(keys.task(task), 'status', 'error_code')).toEqual([
      'failed',
      'upload_aborted',
    ]);
    expect(await redis.redis.exists(keys.input(task, 0), keys.input(task, 1), keys.chunks(task))).toBe(0);
  });

  it('in its sleep cannot have its task accepted when it wakes after another has the key', async () => {
    const sleeper = startApi();
    const { port } = await sleeper.ready;
    const upload = open(port, key);
    upload.write(LINES);
    const claim = keys.claim('anonymous', key);
    const task = await until(async () => (await redis.redis.hget(claim, 'task')) ?? undefined);
    await until(async () => (await redis.redis.hget(keys.task(task), 'chunks')) === '2');
    sleeper.child.kill('SIGSTOP');
    const answer = await insist(survivor, key);
    upload.end(LINES);
    sleeper.child.kill('SIGCONT');
    expect(await answerTo(upload)).toMatchObject({ status: 409 });
    expect(answer.id).not.toBe(task);
    expect(await insist(port, key)).toMatchObject({ id: answer.id, isRepeated: true });
  });
});

describe(`${KEYS} keys with ${REQUESTS_PER_KEY} requests each, all at once`, () => {
  it.each(['SIGTERM', 'SIGKILL'] as const)('make a task per key across a restart by %s', async (signal) => {
    const before = await acceptedTasks();
    const port = await freePort();
    const first = startApi({ PORT: String(port) });
    await first.ready;
    let up: Promise<unknown> = Promise.resolve();
    let answered = 0;
    let restarts = 0;
    const restart = async () => {
      restarts++;
      first.child.kill(signal);
      await first.exited;
      await startApi({ PORT: String(port) }).ready;
    };
    const ask = async (name: string) => {
      const answer = await insist(port, name, () => up.then(() => {}));
      answered++;
      if (answered === KEYS * 5) up = restart();
      return answer.id;
    };
    const ids = await Promise.all(
      Array.from({ length: KEYS }, (_, index) =>
        Promise.all(Array.from({ length: REQUESTS_PER_KEY }, () => ask(`${signal}-${index}`))),
      ),
    );
    await up;
    expect(restarts).toBe(1);
    expect(ids.map((each) => new Set(each).size)).toEqual(Array(KEYS).fill(1));
    const made = [...(await acceptedTasks())].filter((id) => !before.has(id));
    expect(new Set(made)).toEqual(new Set(ids.flat()));
    expect(made).toHaveLength(KEYS);
  });

  it('leave no key without a lifetime', async () => {
    const names = (await redis.keysUnder(PREFIX)).filter((name) => !name.includes(keys.queuePrefix));
    const ttls = await Promise.all(names.map((name) => redis.redis.pttl(name)));
    expect(names.filter((_, index) => ttls[index] === -1)).toEqual([]);
    expect(names.filter((name) => name.endsWith(':claim')).length).toBeGreaterThanOrEqual(2 * KEYS);
  });
});
