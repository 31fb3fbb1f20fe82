import { existsSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { npmStart, type Started, shell } from '../fixtures/npm-start.js';

let folder: string;
let started: Started[];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'millrace-start-'));
  started = [];
});
afterEach(async () => {
  await Promise.all(started.map((each) => each.stop()));
  rmSync(folder, { recursive: true });
});

async function start(env: Record<string, string> = {}): Promise<Started> {
  const one = await npmStart(join(folder, 'data'), env);
  started.push(one);
  return one;
}

describe('npm start', () => {
  it('ends its start-up with the URL, a command that submits real rows and one that polls; both work', async () => {
    const output = await (await start()).ready;
    const [, submit = ''] = /^ {2}submit {2}(curl .*)$/m.exec(output) ?? [];
    const [, poll = ''] = /^ {2}poll {4}(curl .*)$/m.exec(output) ?? [];
    expect(output).toMatch(/Millrace is ready: http:\/\/127\.0\.0\.1:\d+\n/);
    const { task_id: id } = JSON.parse(await shell(submit, folder));
    const answer = JSON.parse(await shell(`${poll.replace('<task_id>', id)} -H 'prefer: wait=20'`, folder));
    expect(answer).toMatchObject({ status: 'succeeded', predictions: [0] });
  });

  it('says who holds the port, and leaves nothing running', async () => {
    const first = await start();
    await first.ready;
    const second = await npmStart(join(folder, 'other'), { PORT: String(first.port) });
    expect(await second.exited).toBe(1);
    const holder = childrenOf(first).find((pid) => commandOf(pid).includes('apps/api'));
    expect(second.output()).toContain(`port ${first.port} is held by process ${holder} (`);
    expect(existsSync(join(folder, 'other'))).toBe(false);
  });

  it('refuses a data folder that is in use', async () => {
    const first = await start();
    await first.ready;
    const second = await start();
    expect(await second.exited).toBe(1);
    expect(second.output()).toContain(
      `process ${first.child.pid} runs Millrace on ${join(folder, 'data')} already`,
    );
  });

  it('names a setting that does not hold', async () => {
    const one = await start({ WORKERS: 'many' });
    expect(await one.exited).toBe(1);
    expect(one.output()).toContain('WORKERS=many: must be a whole number from 1 to 64');
  });

  it.each(['SIGTERM', 'SIGINT', 'SIGHUP'] as const)('stops everything on %s', async (signal) => {
    const one = await start({ WORKERS: '2' });
    await one.ready;
    const children = childrenOf(one);
    expect(children.length).toBe(5);
    one.child.kill(signal);
    expect(await one.exited).toBe(0);
    expect(children.filter(isAlive)).toEqual([]);
  });

  it('starts a worker again that was killed', async () => {
    const one = await start();
    await one.ready;
    const worker = childrenOf(one).find((pid) => commandOf(pid).includes('apps/worker')) as number;
    process.kill(worker, 'SIGKILL');
    const output = await shell(
      `curl -s -X POST 'http://127.0.0.1:${one.port}/batch-predict?model=iris' -H 'content-type: application/json' -H 'prefer: wait=30' -d '[[5.1,3.5,1.4,0.2]]'`,
      folder,
    );
    expect(JSON.parse(output)).toMatchObject({ status: 'succeeded', predictions: [0] });
    expect(one.output()).toContain(
      `The worker with process id ${worker} has ended with SIGKILL; starting another one.`,
    );
  });

  it('starts the API again that was killed, on the same port', async () => {
    const one = await start();
    await one.ready;
    const api = childrenOf(one).find((pid) => commandOf(pid).includes('apps/api')) as number;
    process.kill(api, 'SIGKILL');
    await answers(`http://127.0.0.1:${one.port}/readyz`);
    expect(childrenOf(one)).not.toContain(api);
  });

  it('ends, and says why, when its Redis server is killed', async () => {
    const one = await start({ STOP_GRACE_MS: '0' });
    await one.ready;
    const redis = childrenOf(one).find((pid) => commandOf(pid).includes('redis-server')) as number;
    process.kill(redis, 'SIGKILL');
    expect(await one.exited).toBe(1);
    expect(one.output()).toContain('its Redis server has ended with SIGKILL');
  });

  it('that is stopped while Redis starts leaves no Redis behind', async () => {
    const one = await start();
    const redis = await firstChild(one);
    expect(await one.stop()).toBe(0);
    expect(isAlive(redis)).toBe(false);
  });

  it('that was killed itself leaves no process, and the next one has all its tasks', async () => {
    const first = await start();
    await first.ready;
    const submit = `curl -s -X POST 'http://127.0.0.1:${first.port}/batch-predict?model=iris' -H 'content-type: application/json' -H 'prefer: wait=30' -d '[[5.1,3.5,1.4,0.2]]'`;
    const answer = JSON.parse(await shell(submit, folder));
    const children = childrenOf(first);
    const redis = children.find((pid) => commandOf(pid).includes('redis-server')) as number;
    first.child.kill('SIGKILL');
    await gone(children.filter((pid) => pid !== redis));

    const second = await start();
    await second.ready;
    expect(isAlive(redis)).toBe(false);
    const again = await shell(
      `curl -s http://127.0.0.1:${second.port}/batch-result/${answer.task_id}`,
      folder,
    );
    expect(JSON.parse(again)).toEqual(answer);
  });
});

/** Asks until there is one; the test's own limit bounds it. */
async function firstChild(one: Started): Promise<number> {
  for (;;) {
    const [child] = childrenOf(one);
    if (child !== undefined) return child;
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** Asks until the answer is a good one; the test's own limit bounds it. */
async function answers(url: string): Promise<void> {
  while (
    !(await fetch(url).then(
      (response) => response.ok,
      () => false,
    ))
  ) {
    await new Promise((resolve) => setImmediate(resolve));
  }
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

/** Asks until all have ended; the test's own limit bounds it. */
async function gone(pids: number[]): Promise<void> {
  while (pids.some(isAlive)) await new Promise((resolve) => setImmediate(resolve));
}
