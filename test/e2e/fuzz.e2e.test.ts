import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { ApiDocument } from '../../fuzz/dist/fuzz/src/document.js';
import { fuzz } from '../../fuzz/dist/fuzz/src/fuzz.js';
import { Platform } from '../../fuzz/dist/fuzz/src/platform.js';
import { IRIS_MODEL_PATH } from '../fixtures/iris.js';

const REQUESTS = 500;
const models = mkdtempSync(join(tmpdir(), 'millrace-fuzz-models-'));
let platform: Platform;

beforeAll(async () => {
  cpSync(dirname(IRIS_MODEL_PATH), join(models, 'iris/1'), { recursive: true });
  // Inputs of rows that failed are kept for a retry as long as results, and are to be gone at the end.
  platform = await Platform.start(models, { RESULT_TTL_SECONDS: '5' });
});
afterAll(async () => {
  await platform.stop();
  rmSync(models, { recursive: true });
});

it('whatever is asked of it, the platform answers as it is documented, and nothing is left behind', async () => {
  const { violations, counts, tasks } = await fuzz(platform, { requests: REQUESTS, seed: 1 });
  expect(violations.map(({ problem }) => problem)).toEqual([]);
  const { operations } = new ApiDocument(JSON.parse(await platform.get(platform.url, '/openapi.json')));
  const asked = operations.map(({ method, path }) => `${method} ${path}`);
  expect([...counts.keys()].sort()).toEqual([...asked, 'other methods'].sort());
  const statuses = [...counts.values()].flatMap((each) => [...each.keys()]);
  expect(statuses).toEqual(expect.arrayContaining(['200', '202', '204', '400', '404', '405', '410', '422']));
  expect(tasks).toBeGreaterThan(10);
});
