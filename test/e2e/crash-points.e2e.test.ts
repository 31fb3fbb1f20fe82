/**
 * Every command that the path of a batch sends to Redis, and what comes of the batch when that very command is refused, done
 * though its reply is lost, or is the last thing that its process does. A command that is not in the list fails the test.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '@millrace/local/redis-server';
import { Keys } from '@millrace/queue/keys';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { Lanes } from '../fixtures/lanes.js';
import { remainder, writeSlowSampled } from '../fixtures/poison-model.js';
import { FATES, ProxiedProcess } from '../fixtures/proxied-process.js';
import { useRedis } from '../fixtures/redis.js';
import { until } from '../fixtures/until.js';

const KINDS = ['api', 'worker'] as const;
type ProcessKind = (typeof KINDS)[number];

/** By the process that sends them, in the order of a batch. */
const POINTS: Record<ProcessKind, readonly string[]> = {
  api: [
    'claim',
    'addUnfinished',
    'create',
    'append',
    'createWhole',
    'bullmq addPrioritizedJob',
    'hold',
    'seal',
    'answer',
    'hgetall task',
    'hmget out',
    'hgetall out',
    'hget chunks',
  ],
  worker: [
    'bzpopmin bullmq',
    'bullmq moveToActive',
    'begin',
    'get in',
    'commit',
    'bullmq moveToFinished',
    'addResults',
    'zrem unfinished',
  ],
};
/** Sent in the course of a batch at times, and harmless to it: what keeps locks, looks for stalled jobs, and reaps. */
const BESIDES = new Set([
  'bullmq extendLocks',
  'bullmq moveStalledJobsToWait',
  'bullmq moveToDelayed',
  'bullmq getRanges',
  'hmset bullmq',
  'hset bullmq',
  'hmget bullmq',
  'hmget task',
  'hgetall chunks',
  'hmget chunks',
  'hgetall task',
  'abort',
  'renew',
  'release',
  'removeResults',
  'zrangebyscore index',
  'hget bytes',
  'bullmq removeJob',
  'zscan unfinished',
  'exists out',
  'discard',
]);
/** Of connections, of the catalogue of models, of the reaper's turns, and of caches: no task is concerned. */
const ELSEWHERE =
  /^(hello|info|client|select|ping|quit|subscribe|unsubscribe|scan|pttl|config)\b|\b(model|models|worker|workers|aliases|reaper|caches)$|^type /;

/** Platforms at work side by side: most of a run is waiting for locks. */
const LANES = 4;
/** Samples of 4 ms in micro-batches of 4 make chunks of some 250 rows, and smaller ones on a slower machine. */
const SAMPLE_SECONDS = 0.004;
const MICRO_BATCH = 4;
/** Several chunks in whose order the rows do not repeat themselves, and a row that is none. */
const ROWS = Array.from({ length: 1_000 }, (_, row) => (row === 900 ? '?' : 1 + (row % 251)));
const PREDICTIONS = ROWS.map((x) => (typeof x === 'number' ? remainder(x) : null));
/** In lines that are long enough for the bytes of a chunk to be read by themselves, small as it is on a busy machine. */
const BODY = ROWS.map((x) => `[${JSON.stringify(x)}${' '.repeat(3_000)}]\n`).join('');
/** The reaper comes by every 300 ms, and looks at what is older than a lease. */
const SETTLING = { timeout: 30_000, interval: 20 };
const SETTINGS = {
  LOG_FORMAT: 'json',
  LOG_LEVEL: 'warn',
  WORKER_THREADS: '1',
  LOCK_MS: '500',
  UPLOAD_LEASE_MS: '400',
  REAP_INTERVAL_MS: '300',
};

const redis = useRedis({ appendonly: 'no' });
const folder = mkdtempSync(join(tmpdir(), 'millrace-crash-points-'));

interface Answer {
  task_id: string;
  status: string;
  rows: Record<string, number>;
  predictions: unknown[];
  errors: unknown[];
}

interface Ran {
  answer: Answer;
  lines: string;
  chunks: number;
}

/** A platform of one API and one worker, each with its own way to Redis. */
class Lane {
  readonly keys: Keys;
  private readonly processes = {} as Record<ProcessKind, ProxiedProcess>;
  private port = 0;
  log = '';

  constructor(name: string) {
    this.keys = new Keys(name);
  }

  async start(): Promise<void> {
    this.port = await freePort();
    const settings = { ...SETTINGS, MODELS_DIR: join(folder, 'models'), PORT: String(this.port) };
    const hear = (text: string) => {
      this.log = (this.log + text).slice(-5_000);
    };
    for (const kind of KINDS) {
      this.processes[kind] = await ProxiedProcess.start(kind, redis.server.port, this.keys, settings, hear);
    }
  }

  async stop(): Promise<void> {
    await Promise.all(Object.values(this.processes).map((each) => each.stop()));
  }

  process(kind: ProcessKind): ProxiedProcess {
    return this.processes[kind];
  }

  /** Sends a batch that comes whole, and without a key, until it is accepted and its result has been read. */
  async runWhole(): Promise<void> {
    const id = await this.insist(() => this.submit('[7]\n'));
    const { status, predictions, rows } = await this.insist(() => this.poll(id));
    const { total, succeeded } = rows;
    const expected = { status: 'succeeded', predictions: [remainder(7)], total: 1, succeeded: 1 };
    expect({ status, predictions, total, succeeded }).toEqual(expected);
  }

  /** Sends the batch again under one key, as a client does, until it is accepted and its result has been read. */
  async run(key: string): Promise<Ran> {
    const id = await this.insist(() => this.submit(BODY, { 'idempotency-key': `"${key}"` }));
    const answer = await this.insist(() => this.poll(id));
    const lines = await this.insist(() => this.download(id));
    const chunks = Number(await redis.redis.hget(this.keys.task(id), 'chunks'));
    return { answer, lines, chunks };
  }

  /** Resolves when the batches have left nothing in Redis beside their records and results. */
  async settled(): Promise<void> {
    await vi.waitFor(async () => expect(await this.leftovers()).toEqual([]), SETTLING);
  }

  private async leftovers(): Promise<string[]> {
    const names = (await redis.keysUnder(`${this.keys.prefix}:{`)).filter(
      (name) => !/:(task|chunks|out:\d+|claim|index|bytes)$/.test(name),
    );
    const open = await redis.redis.zrange(this.keys.unfinished(), 0, '-1');
    const jobs = (await redis.keysUnder(this.keys.queuePrefix)).filter((name) => /\.\d+$/.test(name));
    return [...names, ...open, ...jobs];
  }

  private async submit(body: string, headers: Record<string, string> = {}): Promise<string | undefined> {
    const response = await fetch(`${this.url}/batch-predict?model=remainder`, {
      method: 'POST',
      headers: { 'content-type': 'application/x-ndjson', ...headers },
      body,
    });
    return (await this.understand<Answer>(response, 202))?.task_id;
  }

  private async poll(id: string): Promise<Answer | undefined> {
    const response = await fetch(`${this.url}/batch-result/${id}`, { headers: { prefer: 'wait=5' } });
    const answer = await this.understand<Answer>(response, 200);
    if (answer === undefined) return undefined;
    const { total, ...outcomes } = answer.rows;
    expect(Object.values(outcomes).reduce((a, b) => a + b, 0)).toBe(total);
    return ['receiving', 'pending', 'running'].includes(answer.status) ? undefined : answer;
  }

  private async download(id: string): Promise<string | undefined> {
    const response = await fetch(`${this.url}/batch-result/${id}?outputs=all`, {
      headers: { accept: 'application/x-ndjson' },
    });
    const text = await response.text();
    if (response.status === 200) return text;
    if (response.status === 503) return undefined;
    throw new Error(`${response.status} ${text}\n${this.log}`);
  }

  /** Undefined when the client is to ask again. */
  private async understand<T>(response: Response, expected: number): Promise<T | undefined> {
    const text = await response.text();
    if (response.status === expected) return JSON.parse(text) as T;
    if (response.status === 503 || response.status === 409) return undefined;
    throw new Error(`${response.status} ${text}\n${this.log}`);
  }

  /** Asks again while the answer is none: the process is away, or says so. */
  private insist<T>(ask: () => Promise<T>): Promise<Exclude<T, undefined | false>> {
    return until(() =>
      ask().catch((error) => {
        if (error instanceof TypeError) return this.restarted().then(() => undefined);
        throw error;
      }),
    );
  }

  private async restarted(): Promise<void> {
    await Promise.all(Object.values(this.processes).map(({ restarting }) => restarting));
  }

  private get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }
}

let reference: Ran;
let lanes: Lanes<Lane>;

beforeAll(async () => {
  writeSlowSampled(join(folder, 'models/remainder/1'), SAMPLE_SECONDS, MICRO_BATCH);
  lanes = new Lanes(Array.from({ length: LANES }, (_, index) => new Lane(`lane${index}`)));
  await Promise.all(lanes.all.map((lane) => lane.start()));
  const [lane] = lanes.all as [Lane];
  // Every script is known to Redis afterwards, so that a command is done where it is named.
  await lane.runWhole();
  reference = await lane.run('reference');
  await lane.settled();
});
afterAll(async () => {
  await Promise.all(lanes.all.map((lane) => lane.stop()));
  rmSync(folder, { recursive: true });
});

it('the list is the list', () => {
  for (const kind of KINDS) {
    const { seen } = (lanes.all[0] as Lane).process(kind);
    const known = new Set([...POINTS[kind], ...BESIDES]);
    const unknown = [...seen].filter((name) => !known.has(name) && !ELSEWHERE.test(name));
    expect(unknown, `commands of the ${kind} without a crash point`).toEqual([]);
    const unused = POINTS[kind].filter((name) => !seen.has(name));
    expect(unused, `crash points that the ${kind} does not come by`).toEqual([]);
  }
});

it('an undisturbed batch has its result', () => {
  const { answer, lines } = reference;
  expect(answer).toMatchObject({
    status: 'partially_succeeded',
    rows: { total: ROWS.length, succeeded: ROWS.length - 1, invalid: 1, pending: 0, running: 0, failed: 0 },
    errors: [{ row: 900, code: 'wrong_type' }],
  });
  expect(answer.predictions).toEqual(PREDICTIONS);
  expect(lines.split('\n')).toHaveLength(ROWS.length + 1);
});

const cases = KINDS.flatMap((kind) =>
  POINTS[kind].flatMap((point) => FATES.map((fate) => [kind, point, fate] as const)),
);
it.concurrent.each(cases)('%s: %s, %s', async (kind, point, fate) => {
  await lanes.with(async (lane) => {
    const isWhole = point === 'createWhole';
    let struck = isWhole ? lane.process(kind).arm(point, fate) : undefined;
    if (isWhole) await lane.runWhole();
    struck ??= lane.process(kind).arm(point, fate);
    const { answer, lines, chunks } = await lane.run(`${kind} ${point} ${fate}`);
    await struck;
    const { status, rows, predictions, errors } = reference.answer;
    expect(answer).toMatchObject({ status, rows, predictions, errors });
    expect(chunks).toBeGreaterThan(1);
    expect(lines === reference.lines).toBe(true);
    await lane.settled();
  });
});
