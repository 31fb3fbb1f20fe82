/** Rows that are submitted so that `workOff` knows them again. */
import { Float64, Utf8 } from 'apache-arrow';
import request from 'supertest';
import { tableStream } from '../../../packages/columnar/test/arrow-stream.js';
import type { Harness } from './harness.js';

export const NDJSON = 'application/x-ndjson';
export const CSV = 'text/csv';
export const ARROW = 'application/vnd.apache.arrow.stream';

/** Rows that carry their number as id and as a feature, with blank lines and line ends in quotes between them. */
const BODIES: Record<string, (rows: number) => string | Buffer> = {
  [NDJSON]: (rows) =>
    Array.from({ length: rows }, (_, row) => `${row % 4 === 3 ? '\n' : ''}{"id":"r${row}","n":${row}}`).join(
      '\n',
    ),
  [CSV]: (rows) =>
    `id,sepal_length,sepal_width,petal_length,petal_width\r\n${Array.from(
      { length: rows },
      (_, row) => `"r${row}",${row},"1\n",1,1\r\n`,
    ).join('')}`,
  [ARROW]: (rows) => {
    const numbers = Array.from({ length: rows }, (_, row) => row);
    const ids = { name: 'id', type: new Utf8(), values: numbers.map((row) => `r${row}`) };
    const features = ['sepal_length', 'sepal_width', 'petal_length', 'petal_width'];
    const columns = features.map((name) => ({ name, type: new Float64(), values: numbers }));
    return Buffer.from(tableStream([ids, ...columns], 7));
  },
};

/** The id of a task of so many rows. */
export async function submitRows({ app }: Harness, rows: number, type = NDJSON): Promise<string> {
  const body = BODIES[type]?.(rows);
  const call = request(app).post('/batch-predict?model=iris').set('content-type', type).send(body);
  return (await call.expect(202)).body.task_id;
}
