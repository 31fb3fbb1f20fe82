import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { IRIS_MODEL_PATH } from '../fixtures/iris.js';
import { npmStart, type Started, shell } from '../fixtures/npm-start.js';
import { until } from '../fixtures/until.js';

const FIRST_IRIS = `-H 'content-type: application/json' -H 'prefer: wait=30' -d '[[5.1,3.5,1.4,0.2]]'`;
const all = mkdtempSync(join(tmpdir(), 'millrace-start-'));
const models = join(all, 'models');

beforeAll(() => cpSync(dirname(IRIS_MODEL_PATH), join(models, 'iris/1'), { recursive: true }));
afterAll(() => rmSync(all, { recursive: true }));

/** With one model: every worker proves all that it has, and the README is tried with all of them. */
function start(folder: string, env: Record<string, string> = {}): Promise<Started> {
  return npmStart(join(folder, 'data'), { MODELS_DIR: models, ...env });
}

/** Each test finds it whole, but for the last, which ends it. */
describe('npm start, once it runs', () => {
  const folder = mkdtempSync(join(all, 'running-'));
  let one: Started;
  let output: string;

  beforeAll(async () => {
    one = await start(folder, { STOP_GRACE_MS: '0' });
    output = await one.ready;
  });
  afterAll(() => one.stop());

  it('has ended its start-up with the URL, a command that submits real rows and one that polls; both work', async () => {
    const [, submit = ''] = /^ {2}submit {2}(curl .*)$/m.exec(output) ?? [];
    const [, poll = ''] = /^ {2}poll {4}(curl .*)$/m.exec(output) ?? [];
    expect(output).toMatch(/Millrace is ready: http:\/\/127\.0\.0\.1:\d+\n/);
    const { task_id: id } = JSON.parse(await shell(submit, folder));
    const answer = JSON.parse(await shell(`${poll.replace('<task_id>', id)} -H 'prefer: wait=20'`, folder));
    expect(answer).toMatchObject({ status: 'succeeded', predictions: [0] });
  });

  it('makes another say who holds the port, and leave nothing running', async () => {
    const second = await npmStart(join(folder, 'other'), { PORT: String(one.port) });
    expect(await second.exited).toBe(1);
    expect(second.output()).toContain(`port ${one.port} is held by process ${childOf(one, 'apps/api')} (`);
    expect(existsSync(join(folder, 'other'))).toBe(false);
  });

  it('makes another refuse its data folder', async () => {
    const second = await start(folder);
    expect(await second.exited).toBe(1);
    expect(second.output()).toContain(
      `process ${one.child.pid} runs Millrace on ${join(folder, 'data')} already`,
    );
  });

  it('starts a worker again that was killed', async () => {
    const worker = childOf(one, 'apps/worker');
    process.kill(worker, 'SIGKILL');
    expect(JSON.parse(await shell(submission(one), folder))).toMatchObject({
      status: 'succeeded',
      predictions: [0],
    });
    expect(one.output()).toContain(
      `The worker with process id ${worker} has ended with SIGKILL; starting another one.`,
    );
  });

  it('starts the API again that was killed, on the same port', async () => {
    const api = childOf(one, 'apps/api');
    process.kill(api, 'SIGKILL');
    await until(() => answers(`http://127.0.0.1:${one.port}/readyz`));
    expect(childrenOf(one)).not.toContain(api);
  });

  it('ends, and says why, when its Redis server is killed', async () => {
    process.kill(childOf(one, 'redis-server'), 'SIGKILL');
    expect(await one.exited).toBe(1);
    expect(one.output()).toContain('its Redis server has ended with SIGKILL');
  });
});

describe('npm start', () => {
  let folder: string;
  let started: Started[];

  beforeEach(() => {
    folder = mkdtempSync(join(all, 'each-'));
    started = [];
  });
  afterEach(() => Promise.all(started.map((each) => each.stop())));

  async function begin(env: Record<string, string> = {}): Promise<Started> {
    const one = await start(folder, env);
    started.push(one);
    return one;
  }

  it('names a setting that does not hold', async () => {
    const one = await begin({ WORKERS: 'many' });
    expect(await one.exited).toBe(1);
    expect(one.output()).toContain('WORKERS=many: must be a whole number from 1 to 64');
  });

  it.each([
    ['SIGTERM', '2'],
    ['SIGINT', '1'],
    ['SIGHUP', '1'],
  ] as const)('stops everything on %s, with so many workers: %s', async (signal, workers) => {
    const one = await begin({ WORKERS: workers });
    await one.ready;
    const children = childrenOf(one);
    expect(children.length).toBe(3 + Number(workers));
    one.child.kill(signal);
    expect(await one.exited).toBe(0);
    expect(children.filter(isAlive)).toEqual([]);
  });

  it('that is stopped while Redis starts leaves no Redis behind', async () => {
    const one = await begin();
    const redis = await until(() => childrenOf(one)[0]);
    expect(await one.stop()).toBe(0);
    expect(isAlive(redis)).toBe(false);
  });

  it('that was killed itself leaves no process, and the next one has all its tasks', async () => {
    const first = await begin();
    await first.ready;
    const answer = JSON.parse(await shell(submission(first), folder));
    const redis = childOf(first, 'redis-server');
    const others = childrenOf(first).filter((pid) => pid !== redis);
    first.child.kill('SIGKILL');
    await until(() => !others.some(isAlive));

    const second = await begin();
    await second.ready;
    expect(isAlive(redis)).toBe(false);
    const again = await shell(
      `curl -s http://127.0.0.1:${second.port}/batch-result/${answer.task_id}`,
      folder,
    );
    expect(JSON.parse(again)).toEqual(answer);
  });
});

/** The command that has a row predicted, and waits for it. */
function submission({ port }: Started): string {
  return `curl -s -X POST 'http://127.0.0.1:${port}/batch-predict?model=iris' ${FIRST_IRIS}`;
}

function answers(url: string): Promise<boolean> {
  return fetch(url).then(
    (response) => response.ok,
    () => false,
  );
}

/** The process among those that it has started with this in its command line. */
function childOf(one: Started, command: string): number {
  return childrenOf(one).find((pid) => commandOf(pid).includes(command)) as number;
}

function childrenOf({ child }: Started): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && parentOf(Number(name)) === child.pid)
    .map(Number);
}

function parentOf(pid: number): number | undefined {
  try {
    return Number(/^PPid:\s+(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
  } catch {
    return undefined;
  }
}

function commandOf(pid: number): string {
  return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
}

/** A process that has ended has no executable any more, though it may wait to be reaped. */
function isAlive(pid: number): boolean {
  try {
    readlinkSync(`/proc/${pid}/exe`);
    return true;
  } catch {
    return false;
  }
}
