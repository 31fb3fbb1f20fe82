/**
 * The container images, built and run by their own Dockerfiles' steps where no container engine is: what they hold, and
 * that what they hold predicts. The base image is the only part that is not tried; this machine's Node stands in for it.
 */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePort } from '@millrace/local/redis-server';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { useRedis } from '../fixtures/redis.js';
import { buildContext } from './build-context.js';
import { serviceEnvironment, serviceText } from './compose-file.js';
import { Container, HEALTHY_MS } from './container.js';
import { parseDockerfile } from './dockerfile.js';
import { buildImage, type Image, inImage } from './image.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const COMPOSE = read('docker-compose.yml');
/** Bounds, not expectations: a build takes half a minute where the disk is free. */
const BUILD_MS = 600_000;
const SERVE_MS = 3 * HEALTHY_MS;
const POLL = { timeout: 30_000, interval: 50 };
const DOCKERFILES = ['Dockerfile.api', 'Dockerfile.worker', 'Dockerfile.scheduler'];
const FIRST_IRIS = { sepal_length: 5.1, sepal_width: 3.5, petal_length: 1.4, petal_width: 0.2 };

/** Due once a year: the test asks for its run. */
const SCHEDULE = {
  name: 'irises',
  model: 'iris',
  source: { kind: 'file', path: 'data/irises.ndjson' },
  sink: { kind: 'file', path: 'data/results/{logical_date}.ndjson' },
  cron: '0 0 20 11 *',
};
const RUN_NOW = {
  path: `/v1/schedules/${SCHEDULE.name}/run`,
  request: {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{"logical_date":"2026-11-20"}',
  },
};

describe('the images', () => {
  const redis = useRedis();
  const workspace = mkdtempSync(join(tmpdir(), 'millrace-images-'));
  const context = { folder: ROOT, files: buildContext(ROOT) };
  const containers: Container[] = [];
  let api: Image;
  let worker: Image;
  let scheduler: Image;

  beforeAll(async () => {
    // Most of a build is npm's waiting for the disk.
    const builds = DOCKERFILES.map((file) => buildImage(read(file), context, join(workspace, file)));
    [api, worker, scheduler] = (await Promise.all(builds)) as [Image, Image, Image];
  }, BUILD_MS);
  afterEach(() => {
    for (const container of containers.splice(0)) container.kill();
  });
  afterAll(() => rm(workspace, { recursive: true }), BUILD_MS);

  function start(image: Image, environment: Record<string, string>): Container {
    const container = new Container(image, environment);
    containers.push(container);
    return container;
  }

  it('are built and run on one base image', () => {
    const stages = DOCKERFILES.flatMap((file) => parseDockerfile(read(file)));
    const names = stages.map(({ name }) => name);
    const bases = stages.map(({ base }) => base).filter((base) => !names.includes(base));
    expect([...new Set(bases)]).toEqual([expect.stringMatching(/^node:\d+-\w+-slim$/)]);
  });

  it('are built from sources alone', () => {
    expect(context.files).toContain('apps/api/src/main.ts');
    const others = /(^|\/)(node_modules|dist|test|\.git|\.data)\/|\.tsbuildinfo$/;
    expect(context.files.filter((file) => others.test(file))).toEqual([]);
  });

  it('hold what their process needs and nothing of the others', () => {
    const ofApi = ['node_modules/express', 'node_modules/hyparquet', 'apps/api/dist/main.js'];
    const ofWorker = [
      'node_modules/onnxruntime-node',
      'apps/worker/dist/main.js',
      'models/iris/1/model.onnx',
    ];
    const ofScheduler = [
      'node_modules/hyparquet',
      'node_modules/@aws-sdk/client-s3',
      'apps/scheduler/dist/main.js',
    ];
    const all = [...new Set([...ofApi, ...ofWorker, ...ofScheduler])];
    expect(all.filter((path) => existsSync(inImage(api, path)))).toEqual(ofApi);
    expect(all.filter((path) => existsSync(inImage(worker, path)))).toEqual(ofWorker);
    expect(all.filter((path) => existsSync(inImage(scheduler, path)))).toEqual(ofScheduler);
    const inputs = ['models', 'schedules', 'data'];
    expect(inputs.filter((path) => existsSync(inImage(worker, path)))).toEqual(['models']);
    for (const image of [api, scheduler])
      expect(inputs.filter((path) => existsSync(inImage(image, path)))).toEqual([]);
  });

  it('hold no tool of development and no source', () => {
    const tools = Object.keys(JSON.parse(read('package.json')).devDependencies);
    expect(tools).toContain('typescript');
    for (const image of [api, worker, scheduler]) {
      expect(tools.filter((tool) => existsSync(inImage(image, `node_modules/${tool}`)))).toEqual([]);
      const files = readdirSync(image.root, { recursive: true, encoding: 'utf8' });
      expect(files.filter((file) => /^app\/(apps|packages)\/\w+\/(src|test)$/.test(file))).toEqual([]);
    }
  });

  it('keep the ONNX Runtime of one platform', () => {
    const folder = inImage(worker, 'node_modules/onnxruntime-node/bin');
    const bindings = readdirSync(folder, { recursive: true, encoding: 'utf8' });
    expect(bindings.filter((file) => file.endsWith('.node'))).toEqual([
      join('napi-v6', process.platform, process.arch, 'onnxruntime_binding.node'),
    ]);
    expect(readdirSync(join(folder, 'napi-v6'))).toEqual([process.platform]);
  });

  it('keep of the client for S3 what Node loads', () => {
    const folder = inImage(scheduler, 'node_modules/@aws-sdk');
    const builds = readdirSync(folder).flatMap((name) => readdirSync(join(folder, name)));
    expect(new Set(builds.filter((name) => name.startsWith('dist-')))).toEqual(new Set(['dist-cjs']));
  });

  it('send nothing about the models to anybody', () => {
    expect(worker.env).toMatchObject({ ORT_DISABLE_TELEMETRY: '1' });
  });

  it('run as somebody who is not root, on the port they expose', () => {
    expect([api.port, worker.port, scheduler.port]).toEqual([3000, 9464, 9465]);
    const ports = [api.env.PORT, worker.env.WORKER_PORT, scheduler.env.SCHEDULER_PORT];
    expect(ports).toEqual(['3000', '9464', '9465']);
    for (const { user, command } of [api, worker, scheduler]) {
      expect(user).toMatch(/^[1-9]\d*$/);
      expect(command[0]).toBe('node');
    }
  });

  it('leave it to whoever runs the API who may submit', async () => {
    const container = start(api, { PORT: '0' });
    expect(await container.exited).toBe(1);
    expect(container.log).toContain('API_KEYS_FILE');
  });

  it(
    'predict a row, and run a schedule, as compose starts them, and end with 0 on SIGTERM',
    async () => {
      const port = String(await freePort());
      const workerPort = String(await freePort());
      const schedulerPort = String(await freePort());
      mountSchedule(scheduler);
      const here = { REDIS_URL: redis.url };
      const serving = start(api, { ...serviceEnvironment(COMPOSE, 'api'), ...here, PORT: port });
      const working = start(worker, {
        ...serviceEnvironment(COMPOSE, 'worker'),
        ...here,
        WORKER_PORT: workerPort,
      });
      const scheduling = start(scheduler, {
        ...serviceEnvironment(COMPOSE, 'scheduler'),
        ...here,
        SCHEDULER_PORT: schedulerPort,
      });
      for (const container of [serving, working, scheduling]) await container.untilHealthy();
      const url = `http://127.0.0.1:${port}`;
      await expect.poll(async () => (await fetch(`${url}/readyz`)).status, POLL).toBe(200);

      const accepted = await fetch(`${url}/batch-predict?model=iris`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify([FIRST_IRIS]),
      });
      expect(accepted.status).toBe(202);
      const { task_id: id } = (await accepted.json()) as { task_id: string };
      await expect
        .poll(async () => (await fetch(`${url}/batch-result/${id}`)).json(), POLL)
        .toMatchObject({ status: 'succeeded', predictions: [0] });

      const run = `${url}/v1/schedules/${SCHEDULE.name}/runs/2026-11-20`;
      await expect
        .poll(async () => (await fetch(url + RUN_NOW.path, RUN_NOW.request)).status, POLL)
        .toBe(202);
      await expect
        .poll(async () => (await fetch(run)).json(), POLL)
        .toMatchObject({ status: 'succeeded', rows: { total: 1 } });
      expect(readFileSync(inImage(scheduler, 'data/results/2026-11-20.ndjson'), 'utf8')).toBe(
        '{"row":0,"prediction":0}\n',
      );

      const stopped = [await scheduling.stop(), await serving.stop(), await working.stop()];
      expect(stopped).toEqual([0, 0, 0]);
      for (const { log } of [serving, working, scheduling]) {
        for (const line of log.trim().split('\n')) expect(() => JSON.parse(line), line).not.toThrow();
      }
    },
    SERVE_MS,
  );
});

describe('the compose file', () => {
  it('starts a Redis that keeps what it is given', () => {
    const redis = serviceText(COMPOSE, 'redis');
    expect(redis).toContain('"--maxmemory-policy", "noeviction"');
    expect(redis).toContain('"--appendonly", "yes"');
    expect(redis).toContain('redis-data:/data');
    expect(redis).not.toContain('ports:');
  });

  it('lets nobody but this machine reach an API that is open to anybody', () => {
    expect(serviceEnvironment(COMPOSE, 'api')).toMatchObject({ ALLOW_ANONYMOUS: '1' });
    const published = [...serviceText(COMPOSE, 'api').matchAll(/- "(.*:\d+)"$/gm)].map(([, port]) => port);
    expect(published).toEqual(['127.0.0.1:3000:3000']);
  });

  it.each(['worker', 'scheduler'])('can start any number of the service %s', (service) => {
    expect(serviceText(COMPOSE, service)).toContain(`dockerfile: Dockerfile.${service}`);
    expect(serviceText(COMPOSE, service)).not.toMatch(/ports:|container_name:/);
  });

  it('gives the scheduler its schedules to read, and the folder of files to write', () => {
    const mounts = [...serviceText(COMPOSE, 'scheduler').matchAll(/^ {6}- (.*)$/gm)].map(
      ([, mount]) => mount,
    );
    expect(mounts).toEqual(['./schedules:/app/schedules:ro', './data:/app/data']);
  });
});

describe('the steps of a Dockerfile', () => {
  it.each([
    'ADD a b',
    'SHELL ["sh"]',
    'CMD node main.js',
    'COPY --link a b',
    'COPY *.json ./',
    'RUN --network=none true',
    'RUN rm -r /etc',
  ])('refuse what the test could not carry out: %s', (line) => {
    expect(() => parseDockerfile(`FROM a\n${line}\n`)).toThrow(line);
  });
});

/** Puts a schedule and its rows where compose mounts them. */
function mountSchedule(image: Image): void {
  for (const folder of ['schedules', 'data']) mkdirSync(inImage(image, folder));
  writeFileSync(inImage(image, `schedules/${SCHEDULE.name}.json`), JSON.stringify(SCHEDULE));
  writeFileSync(inImage(image, 'data/irises.ndjson'), `${JSON.stringify(FIRST_IRIS)}\n`);
}

function read(path: string): string {
  return readFileSync(join(ROOT, path), 'utf8');
}
