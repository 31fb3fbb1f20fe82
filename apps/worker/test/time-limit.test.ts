import { beforeEach, expect, it } from 'vitest';
import { lasting, POISON_MODEL, POISON_SAMPLES, remainder } from '../../../test/fixtures/poison-model.js';
import { until } from '../../../test/fixtures/until.js';
import { TimeLimitError } from '../dist/inference/inference-thread.js';
import { InferencePool } from '../dist/inference/pool.js';
import { useServing } from './serving.js';

/** A thread has been left to itself, and has not ended. */
const isAnyStuck = () => process.listeners('exit').some(({ name }) => name === 'endNow');
const LIMITS = { chunkMs: 300, loadMs: 20_000 };
const serving = useServing();
let pool: InferencePool;
let stuck: number[];

beforeEach(async () => {
  serving.write('poison/1/model.onnx', POISON_MODEL);
  serving.write('poison/1/samples.json', POISON_SAMPLES);
  await serving.open();
  return async () => {
    await pool.stop();
    await allEnded();
  };
});

async function start(threads: number, limits = LIMITS): Promise<void> {
  stuck = [];
  pool = new InferencePool(threads, limits, (count) => stuck.push(count));
  await pool.load(serving.pool.model(serving.registry.pins[0] as string));
}

async function predict(...rows: number[]): Promise<string> {
  const bytes = new TextEncoder().encode(rows.map((x) => `${x}\n`).join(''));
  const source = { format: 'ndjson' as const, firstRow: 0, rows: rows.length, bytes };
  const { result } = await pool.predict({ pin: serving.registry.pins[0] as string, source });
  return new TextDecoder().decode(result.segments.predictions);
}

/** Resolves when no thread that was left to itself is left. */
async function allEnded(): Promise<void> {
  await until(() => !isAnyStuck());
}

it('a run that takes too long is given up, and its thread replaced while it is still stuck', async () => {
  await start(1);
  await expect(predict(1, lasting(3), 2)).rejects.toThrow(TimeLimitError);
  expect(stuck).toEqual([1]);
  expect([await predict(2), isAnyStuck()]).toEqual([String(remainder(2)), true]);
});

it('the late answer is nobody else’s, and the thread ends with it', async () => {
  await start(1);
  const late = predict(lasting(1));
  await expect(late).rejects.toThrow(TimeLimitError);
  const answers: string[] = [];
  while (isAnyStuck()) answers.push(await predict(3));
  expect(new Set(answers)).toEqual(new Set([String(remainder(3))]));
  await expect(predict(lasting(1))).rejects.toThrow(TimeLimitError);
  // The first one does not count any more.
  expect(stuck).toEqual([1, 1]);
});

it('the other threads go on meanwhile', async () => {
  await start(2);
  const slow = expect(predict(lasting(2))).rejects.toThrow(TimeLimitError);
  for (let x = 1; x < 50; x++) expect(await predict(x)).toBe(String(remainder(x)));
  await slow;
  expect(await Promise.all([predict(4), predict(5), predict(6)])).toEqual(
    [4, 5, 6].map(remainder).map(String),
  );
});

it('a version is loaded into the other threads while one is stuck', async () => {
  // To wait for the one that is stuck would take longer.
  await start(2, { ...LIMITS, loadMs: 2_000 });
  const slow = expect(predict(lasting(4))).rejects.toThrow(TimeLimitError);
  await pool.load({ ...serving.pool.model(serving.registry.pins[0] as string), pin: 'again' });
  await slow;
  expect(await predict(7)).toBe(String(remainder(7)));
});

it('a stop does not wait for a thread that is stuck', async () => {
  await start(1);
  await expect(predict(lasting(4))).rejects.toThrow(TimeLimitError);
  await pool.stop();
  expect(isAnyStuck()).toBe(true);
});

it('a stop lets a thread that is about to be done end by itself', async () => {
  await start(1, { ...LIMITS, chunkMs: 20_000 });
  const run = predict(lasting(0.1));
  // By then it has been given to the thread.
  await new Promise(setImmediate);
  await pool.stop();
  expect(await run).toBe(String(remainder(lasting(0.1))));
  expect(isAnyStuck()).toBe(false);
});
