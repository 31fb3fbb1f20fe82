/** Tasks that are worked off as a worker would, with the outcome of every row as a test wants it. */
import type { RowCode, RowError } from '@millrace/batch/errors';
import { ColumnBuilder } from '@millrace/batch/results/column';
import { encodeChunk } from '@millrace/batch/results/encode-chunk';
import type { TaskStore } from '@millrace/queue/task-store';
import request from 'supertest';
import { IRIS_FINGERPRINT } from '../../../test/fixtures/iris.js';
import type { Harness } from './harness.js';

export const NDJSON = 'application/x-ndjson';
export const CSV = 'text/csv';

/** What becomes of a row, by its number in the first task: an error, a prediction, or nothing, since its task is cancelled first. */
export type Outcome = RowCode | 'predicted' | 'halted';
export type OutcomeOf = (row: number) => Outcome;
export const all =
  (outcome: Outcome): OutcomeOf =>
  () =>
    outcome;

/** Rows that carry their number as id and as a feature, with blank lines and line ends in quotes between them. */
const BODIES: Record<string, (rows: number) => string> = {
  [NDJSON]: (rows) =>
    Array.from({ length: rows }, (_, row) => `${row % 4 === 3 ? '\n' : ''}{"id":"r${row}","n":${row}}`).join(
      '\n',
    ),
  [CSV]: (rows) =>
    `id,sepal_length,sepal_width,petal_length,petal_width\r\n${Array.from(
      { length: rows },
      (_, row) => `"r${row}",${row},"1\n",1,1\r\n`,
    ).join('')}`,
};

/** The id of a task of so many rows. */
export async function submitRows({ app }: Harness, rows: number, type = NDJSON): Promise<string> {
  const body = (BODIES[type] as (rows: number) => string)(rows);
  const call = request(app).post('/batch-predict?model=iris').set('content-type', type).send(body);
  return (await call.expect(202)).body.task_id;
}

/** Works a task off as a worker would: reads the stored bytes of each chunk, and predicts each row as ten times its number. */
export async function workOff({ app, store }: Harness, id: string, outcomeOf: OutcomeOf): Promise<void> {
  const { chunks = 0 } = (await store.read(id)) ?? {};
  let isHalted = false;
  for (let index = 0; index < chunks; index++) {
    const begun = await store.begin(id, index, [`iris@1 ${IRIS_FINGERPRINT}`]);
    if (begun.kind !== 'started') throw new Error(`chunk ${index} is ${begun.kind}`);
    const { firstRow, rows, bytes } = begun.chunk;
    const numbers = [...bytes.toString().matchAll(/"r(\d+)"/g)].map(([, number]) => Number(number));
    if (numbers.length !== rows) throw new Error(`${rows} rows are stored as ${numbers.length}`);
    if (numbers.some((number) => outcomeOf(number) === 'halted')) isHalted = true;
    else await commit(store, id, index, firstRow, numbers, outcomeOf);
  }
  if (isHalted) await request(app).post(`/batch-result/${id}/cancel`).expect(200);
}

async function commit(
  store: TaskStore,
  id: string,
  index: number,
  firstRow: number,
  numbers: number[],
  outcomeOf: OutcomeOf,
) {
  const errors = numbers.flatMap((number, place): RowError[] => {
    const code = outcomeOf(number);
    if (code === 'predicted' || code === 'halted') return [];
    return [{ row: firstRow + place, id: `r${number}`, code, message: `no, ${code}` }];
  });
  const label = new ColumnBuilder({ name: 'label', type: 'int64', shape: [] }, numbers.length);
  label.add(
    Uint32Array.from(numbers.keys()),
    BigInt64Array.from(numbers, (number) => BigInt(number * 10)),
    [],
  );
  const ids = numbers.map((number) => `r${number}`);
  const outcome = { firstRow, rows: numbers.length, ids, errors, columns: [label.finish()] };
  await store.commit(id, index, encodeChunk({ ...outcome, shown: { primary: 'label' } }));
}
