import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { toNdjson } from '../fixtures/iris.js';
import { TestPlatform } from '../fixtures/platform.js';

/** The class names that model.json gives to a label; elsewhere outputs are printed as they are. */
const CLASSES: Record<string, readonly string[]> = {
  sentiment: ['negative', 'positive'],
  income: ['<=50K', '>50K'],
};
const TOLERANCE = 1e-5;

type Outputs = Record<string, unknown>;
interface Answer {
  row: unknown;
  outputs: Outputs;
}

/** Held-out rows with what ONNX Runtime in Python answered, written by the model's train.py. */
function reference(model: string): Answer[] {
  const file = new URL(`../reference/${model}.ndjson.gz`, import.meta.url);
  const lines = gunzipSync(readFileSync(file)).toString().trimEnd().split('\n');
  return lines.map((line) => JSON.parse(line) as Answer);
}

const directory = mkdtempSync(join(tmpdir(), 'millrace-e2e-'));
let platform: TestPlatform;

beforeAll(async () => {
  platform = await TestPlatform.start(directory, 1);
});
afterAll(async () => {
  await platform.stop();
  rmSync(directory, { recursive: true });
});

describe.each([
  ['iris', 50],
  ['sentiment', 4_000],
  ['income', 5_000],
  ['recommender', 943],
])('the held-out rows of %s', (model, rows) => {
  const answers = reference(model);

  it(`are ${rows}, and come out of the platform as out of ONNX Runtime in Python`, async () => {
    expect(answers.length).toBe(rows);
    const body = toNdjson(answers.map(({ row }) => row));
    const id = await platform.submit(`/batch-predict?model=${model}`, 'application/x-ndjson', body);
    expect(await platform.finished(id)).toMatchObject({ status: 'succeeded', rows: { succeeded: rows } });
    const response = await fetch(`${platform.url}/batch-result/${id}?outputs=all`);
    const { predictions } = (await response.json()) as { predictions: Outputs[] };
    const differing = predictions.flatMap((prediction, at) => {
      const expected = printed(model, answers[at]?.outputs ?? {});
      return agrees(prediction, expected) ? [] : [{ at, prediction, expected }];
    });
    expect(differing.slice(0, 3)).toEqual([]);
  });
});

function printed(model: string, outputs: Outputs): Outputs {
  const classes = CLASSES[model];
  return classes === undefined ? outputs : { ...outputs, label: classes[outputs.label as number] };
}

/** Floats agree within the tolerance, everything else exactly. A whole number may be a float that is 0 or 1. */
function agrees(found: unknown, expected: unknown): boolean {
  if (typeof found === 'number' && typeof expected === 'number') {
    return Math.abs(found - expected) <= TOLERANCE;
  }
  if (typeof found !== 'object' || typeof expected !== 'object' || found === null || expected === null) {
    return found === expected;
  }
  const keys = Object.keys(expected);
  return (
    keys.length === Object.keys(found).length &&
    keys.every((key) => agrees((found as Outputs)[key], (expected as Outputs)[key]))
  );
}
