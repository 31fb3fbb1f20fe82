import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { Float64, Utf8 } from 'apache-arrow';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { arrowRows } from '../../packages/columnar/test/arrow-rows.js';
import { arrowStream, tableStream } from '../../packages/columnar/test/arrow-stream.js';
import { IRIS_MANIFEST, IRIS_MODEL_PATH, irisRows } from '../fixtures/iris.js';
import { type TaskAnswer, TestPlatform } from '../fixtures/platform.js';
import { POISON_MODEL, POISON_SAMPLES, remainder, THROWS } from '../fixtures/poison-model.js';

const NDJSON = 'application/x-ndjson';
const ARROW = 'application/vnd.apache.arrow.stream';
const IRIS = '/batch-predict?model=iris';
/** So many that the task is still in the middle when it is cancelled. */
const ROWS = irisRows(300_000)
  .map((row, at) => `${JSON.stringify({ id: `flower ${at}`, ...row })}\n`)
  .join('');
const directory = mkdtempSync(join(tmpdir(), 'millrace-result-'));
let platform: TestPlatform;

beforeAll(async () => {
  const models = join(directory, 'models');
  mkdirSync(join(models, 'poison/1'), { recursive: true });
  cpSync(dirname(IRIS_MODEL_PATH), join(models, 'iris/1'), { recursive: true });
  writeFileSync(join(models, 'poison/1/model.onnx'), POISON_MODEL);
  writeFileSync(join(models, 'poison/1/samples.json'), JSON.stringify(POISON_SAMPLES));
  platform = await TestPlatform.start(directory, 1, { MODELS_DIR: models, WORKER_THREADS: '1' });
});
afterAll(async () => {
  await platform.stop();
  rmSync(directory, { recursive: true });
});

const download = async (id: string, query = '') =>
  (await fetch(`${platform.url}/batch-result/${id}${query}`, { headers: { accept: NDJSON } })).text();
const post = async (id: string, what: 'cancel' | 'retry') =>
  (await (
    await fetch(`${platform.url}/batch-result/${id}/${what}`, { method: 'POST' })
  ).json()) as TaskAnswer;

it('a task that was cancelled in the middle and retried has the result of one that nobody disturbed', async () => {
  const undisturbed = await platform.submit(IRIS, NDJSON, ROWS);
  const followed = download(undisturbed, '?follow=true');
  await platform.finished(undisturbed);
  const reference = await download(undisturbed);
  expect((await followed) === reference).toBe(true);

  const id = await platform.submit(IRIS, NDJSON, ROWS);
  await platform.committed(id, 1);
  const cancelled = await post(id, 'cancel');
  expect(cancelled.status).toBe('cancelled');
  expect(cancelled.rows.cancelled).toBeGreaterThan(0);
  expect(cancelled.rows.succeeded).toBeGreaterThan(0);

  const retry = await post(id, 'retry');
  expect(retry.rows.total).toBe(cancelled.rows.cancelled);
  expect((await post(id, 'retry')).task_id).toBe(retry.task_id);
  await platform.finished(retry.task_id);
  expect(await platform.poll(id)).toMatchObject({
    status: 'succeeded',
    rows: { total: 300_000, succeeded: 300_000, cancelled: 0 },
    errors: [],
  });
  expect((await download(id)) === reference).toBe(true);
});

const POISONED = Array.from({ length: 1_000 }, (_, row) => (row % 333 === 7 ? THROWS : 1 + (row % 10)));
const POISONED_IDS = POISONED.map((_, row) => `row ${row}`);
const POISONED_BODIES: [string, string | Uint8Array<ArrayBuffer>][] = [
  ['text/csv', `id,x\n${POISONED.map((x, row) => `${POISONED_IDS[row]},${x}\n`).join('')}`],
  [
    ARROW,
    Uint8Array.from(
      tableStream([
        { name: 'x', type: new Float64(), values: POISONED },
        { name: 'id', type: new Utf8(), values: POISONED_IDS },
      ]),
    ),
  ],
];

it.each(POISONED_BODIES)(
  'rows on which the model throws throw again, and the rest of the result stays as it is (%s)',
  async (type, body) => {
    const id = await platform.submit('/batch-predict?model=poison', type, body);
    const before = await platform.finished(id);
    expect(before).toMatchObject({ status: 'partially_succeeded', rows: { failed: 3 } });

    const retry = await platform.finished((await post(id, 'retry')).task_id);
    expect(retry).toMatchObject({ status: 'failed', rows: { total: 3, failed: 3 } });
    const after = await platform.poll(id);
    expect(after.predictions).toEqual(POISONED.map((x) => (x === THROWS ? null : remainder(x))));
    const { status, rows: ledger, errors } = before;
    expect(after).toMatchObject({ status, rows: ledger, errors, retries: [{ task_id: retry.task_id }] });
  },
);

it('a frame as Arrow is predicted as its rows are, and comes back as Arrow', async () => {
  const rows = irisRows(5_000).map((row, at) => ({
    id: `flower ${at}`,
    ...row,
    sepal_width: at % 97 === 5 ? 1e9 : 3,
  }));
  const lines = await platform.submit(IRIS, NDJSON, rows.map((row) => JSON.stringify(row)).join('\n'));
  const stream = arrowStream(IRIS_MANIFEST, rows, { dictionaries: false, fixedLists: false, batchRows: 700 });
  const frame = await platform.submit(IRIS, ARROW, Uint8Array.from(stream));
  const { status, rows: ledger, errors } = await platform.finished(lines);
  expect(await platform.finished(frame)).toMatchObject({ status, rows: ledger, errors });
  const query = '?outputs=all';
  expect(await download(frame, query)).toBe(await download(lines, query));

  const answer = await fetch(`${platform.url}/batch-result/${frame}${query}`, { headers: { accept: ARROW } });
  expect(answer.headers.get('content-type')).toBe(ARROW);
  const found = arrowRows(new Uint8Array(await answer.arrayBuffer()));
  const expected = (await download(frame, query))
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  expect(found.map(({ row, id }) => [Number(row), id])).toEqual(expected.map(({ row, id }) => [row, id]));
  expect(found.map((row) => row.error_code)).toEqual(expected.map(({ error }) => error?.code ?? null));
  expect(found.map(({ label }) => label)).toEqual(
    expected.map(({ prediction }) => (prediction === undefined ? null : BigInt(prediction.label))),
  );
});
