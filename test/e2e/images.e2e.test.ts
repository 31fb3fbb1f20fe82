/**
 * The container images, built and run by their own Dockerfiles' steps where no container engine is: what they hold, and
 * that what they hold predicts. The base image is the only part that is not tried; this machine's Node stands in for it.
 */
import { existsSync, mkdtempSync, readdirSync, readFileSync } from 'node:fs';
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
const FIRST_IRIS = { sepal_length: 5.1, sepal_width: 3.5, petal_length: 1.4, petal_width: 0.2 };

describe('the images', () => {
  const redis = useRedis();
  const workspace = mkdtempSync(join(tmpdir(), 'millrace-images-'));
  const context = { folder: ROOT, files: buildContext(ROOT) };
  const containers: Container[] = [];
  let api: Image;
  let worker: Image;

  beforeAll(async () => {
    api = await buildImage(read('Dockerfile.api'), context, join(workspace, 'api'));
    worker = await buildImage(read('Dockerfile.worker'), context, join(workspace, 'worker'));
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
    const stages = ['Dockerfile.api', 'Dockerfile.worker'].flatMap((file) => parseDockerfile(read(file)));
    const names = stages.map(({ name }) => name);
    const bases = stages.map(({ base }) => base).filter((base) => !names.includes(base));
    expect([...new Set(bases)]).toEqual([expect.stringMatching(/^node:\d+-\w+-slim$/)]);
  });

  it('are built from sources alone', () => {
    expect(context.files).toContain('apps/api/src/main.ts');
    const others = /(^|\/)(node_modules|dist|test|\.git|\.data)\/|\.tsbuildinfo$/;
    expect(context.files.filter((file) => others.test(file))).toEqual([]);
  });

  it('hold what their process needs and nothing of the other', () => {
    const ofApi = ['node_modules/express', 'apps/api/dist/main.js'];
    const ofWorker = [
      'node_modules/onnxruntime-node',
      'apps/worker/dist/main.js',
      'models/iris/1/model.onnx',
    ];
    expect([...ofApi, ...ofWorker].filter((path) => existsSync(inImage(api, path)))).toEqual(ofApi);
    expect([...ofApi, ...ofWorker].filter((path) => existsSync(inImage(worker, path)))).toEqual(ofWorker);
    expect(existsSync(inImage(api, 'models'))).toBe(false);
  });

  it('hold no tool of development and no source', () => {
    const tools = Object.keys(JSON.parse(read('package.json')).devDependencies);
    expect(tools).toContain('typescript');
    for (const image of [api, worker]) {
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

  it('send nothing about the models to anybody', () => {
    expect(worker.env).toMatchObject({ ORT_DISABLE_TELEMETRY: '1' });
  });

  it('run as somebody who is not root, on the port they expose', () => {
    expect([api.port, worker.port]).toEqual([3000, 9464]);
    expect([api.env.PORT, worker.env.WORKER_PORT]).toEqual(['3000', '9464']);
    for (const { user, command } of [api, worker]) {
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
    'predict a row as compose starts them, and end with 0 on SIGTERM',
    async () => {
      const port = String(await freePort());
      const workerPort = String(await freePort());
      const here = { REDIS_URL: redis.url };
      const serving = start(api, { ...serviceEnvironment(COMPOSE, 'api'), ...here, PORT: port });
      const working = start(worker, {
        ...serviceEnvironment(COMPOSE, 'worker'),
        ...here,
        WORKER_PORT: workerPort,
      });
      await serving.untilHealthy();
      await working.untilHealthy();
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

      expect([await serving.stop(), await working.stop()]).toEqual([0, 0]);
      for (const { log } of [serving, working]) {
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

  it('can start any number of workers', () => {
    expect(serviceText(COMPOSE, 'worker')).toContain('dockerfile: Dockerfile.worker');
    expect(serviceText(COMPOSE, 'worker')).not.toMatch(/ports:|container_name:/);
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

function read(path: string): string {
  return readFileSync(join(ROOT, path), 'utf8');
}
