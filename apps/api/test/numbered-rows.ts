/** Rows that are submitted so that `workOff` knows them again. */
import request from 'supertest';
import type { Harness } from './harness.js';

export const NDJSON = 'application/x-ndjson';
export const CSV = 'text/csv';

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
