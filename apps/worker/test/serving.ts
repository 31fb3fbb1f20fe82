/** A worker's models without the worker: a registry over a folder of its own, and the threads it loads them into. */
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { ChunkResult } from '@millrace/batch/results/encode-chunk';
import { createLogger } from '@millrace/process/logger';
import { afterAll, afterEach, beforeAll, beforeEach } from 'vitest';
import { IRIS_MODEL_PATH } from '../../../test/fixtures/iris.js';
import { InferencePool } from '../dist/inference/pool.js';
import { ModelRegistry, type ModelRegistryOptions } from '../dist/models/model-registry.js';
import { ProvedCopies } from '../dist/models/proved-copies.js';

const IRIS = dirname(IRIS_MODEL_PATH);

export interface Serving {
  /** The model directory. */
  directory: string;
  /** Milliseconds since the epoch, for the registry. */
  now: number;
  registry: ModelRegistry;
  pool: InferencePool;
  copies: ProvedCopies;
  /** Opens the registry over what lies in the directory. */
  open(options?: Partial<ModelRegistryOptions>): Promise<void>;
  /** Looks twice: files are believed to be final when they have not changed between two looks. */
  refresh(): Promise<void>;
  /** Writes a file, with the folders it needs. */
  write(path: string, content: string | Uint8Array | object): void;
  /** Copies iris@1 to another place in the directory. */
  copyIris(path: string): void;
  /** Changes a JSON file in place. */
  edit(path: string, change: (content: Record<string, unknown>) => void): void;
  /** `name@version` of what is offered. */
  served(): string[];
  /** `name/version: reason` of what is refused. */
  refused(): string[];
  /** Predicts JSON rows with the version that is served under `name@version`. */
  predict(key: string, rows: readonly unknown[]): Promise<{ predictions: unknown[]; result: ChunkResult }>;
}

/** To be called at the top of a test file: models of its own for each test. */
export function useServing(): Serving {
  return serveFor(beforeEach, afterEach);
}

/** The same models for all tests of a file. */
export function useOneServing(): Serving {
  return serveFor(beforeAll, afterAll);
}

function serveFor(before: typeof beforeAll, after: typeof afterAll): Serving {
  const serving = {} as Serving;
  before(() => startServing(serving));
  after(async () => {
    await serving.pool?.stop();
    await serving.copies?.close();
    serving.pool = undefined as unknown as InferencePool;
    serving.copies = undefined as unknown as ProvedCopies;
    rmSync(serving.directory, { recursive: true });
  });
  return serving;
}

function startServing(serving: Serving): void {
  const directory = mkdtempSync(join(tmpdir(), 'millrace-models-'));
  const log = createLogger({ service: 'test', level: 'error', format: 'json' });
  log.silent = true;
  Object.assign(serving, {
    directory,
    now: Date.now(),
    async open(options: Partial<ModelRegistryOptions> = {}) {
      serving.pool = new InferencePool(1);
      serving.copies = await ProvedCopies.open();
      serving.registry = new ModelRegistry({
        directory,
        poolName: 'default',
        pool: serving.pool,
        copies: serving.copies,
        proveMs: 20_000,
        idleMs: 3_600_000,
        log,
        now: () => serving.now,
        ...options,
      });
      await serving.registry.open();
    },
    async refresh() {
      await serving.registry.refresh();
      await serving.registry.refresh();
    },
    write(path: string, content: string | Uint8Array | object) {
      const file = join(directory, path);
      mkdirSync(dirname(file), { recursive: true });
      const isText = typeof content === 'string' || content instanceof Uint8Array;
      writeFileSync(file, isText ? content : JSON.stringify(content));
    },
    copyIris(path: string) {
      cpSync(IRIS, join(directory, path), { recursive: true });
    },
    edit(path: string, change: (content: Record<string, unknown>) => void) {
      const content = JSON.parse(readFileSync(join(directory, path), 'utf8'));
      change(content);
      serving.write(path, content);
    },
    served: () => serving.registry.models.served.map(({ name, version }) => `${name}@${version}`),
    refused: () =>
      serving.registry.models.refused.map(({ name, version, reason }) => `${name}/${version}: ${reason}`),
    async predict(key: string, rows: readonly unknown[]) {
      const pin = serving.registry.pins.find((each) => each.startsWith(`${key} `)) ?? key;
      const lines = rows.map((row) => `${JSON.stringify(row)}\n`).join('');
      const bytes = new TextEncoder().encode(lines);
      const source = { format: 'ndjson' as const, firstRow: 0, rows: rows.length, bytes };
      const { result } = await serving.pool.predict({ pin, source });
      const text = new TextDecoder().decode(result.segments.predictions);
      return { predictions: JSON.parse(`[${text}]`), result };
    },
  } satisfies Omit<Serving, 'registry' | 'pool' | 'copies'>);
}
