/** A model with a prediction cache, served by whole processes. */
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { IRIS_MODEL_PATH, irisRows, toNdjson } from '../fixtures/iris.js';
import { TestPlatform } from '../fixtures/platform.js';

const CACHE = { rows: 1_000, ttl_seconds: 600 };
const ROWS = 200;
const directory = mkdtempSync(join(tmpdir(), 'millrace-e2e-'));
let platform: TestPlatform;

beforeAll(async () => {
  const version = join(directory, 'models', 'iris', '1');
  mkdirSync(version, { recursive: true });
  cpSync(dirname(IRIS_MODEL_PATH), version, { recursive: true });
  const manifest = JSON.parse(readFileSync(join(version, 'model.json'), 'utf8'));
  writeFileSync(join(version, 'model.json'), JSON.stringify({ ...manifest, cache: CACHE }));
  const settings = { MODELS_DIR: join(directory, 'models'), STOP_GRACE_MS: '2000' };
  platform = await TestPlatform.start(join(directory, 'redis'), 1, settings);
});
afterAll(() => rmSync(directory, { recursive: true }));

it('answers equal rows out of the cache, counts them, and ends as it should', async () => {
  const shown = await (await fetch(`${platform.url}/v1/models/iris`)).json();
  expect(shown).toMatchObject({ manifest: { cache: CACHE } });
  const body = toNdjson(irisRows(ROWS));
  const predict = async () => {
    const id = await platform.submit('/batch-predict?model=iris', 'application/x-ndjson', body);
    return (await platform.finished(id)).predictions;
  };
  const first = await predict();
  // A cache that is slow for once is passed over, and one that was not yet written to has nothing.
  await expect
    .poll(
      async () => {
        expect(await predict()).toEqual(first);
        return counted('hit');
      },
      { timeout: 20_000 },
    )
    .toBeGreaterThanOrEqual(ROWS);
  expect(await counted('miss')).toBeGreaterThanOrEqual(ROWS);
  expect(await platform.stop()).toEqual([0, 0]);
});

/** Rows of all chunks so far with this outcome. */
async function counted(outcome: string): Promise<number> {
  const { port } = (await platform.workers[0]?.ready) ?? { port: 0 };
  const page = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  const name = `millrace_cache_rows_total{model="iris@1",outcome="${outcome}"}`;
  return Number(
    page
      .split('\n')
      .find((line) => line.startsWith(name))
      ?.slice(name.length) ?? 0,
  );
}
