/** Tasks that are put into the store as an upload does it, for no worker to take, and their results as they are downloaded. */
import { randomUUID } from 'node:crypto';
import request from 'supertest';
import { expect } from 'vitest';
import { type ArrowRow, arrowRows } from '../../../packages/columnar/test/arrow-rows.js';
import { newTask } from '../../../test/fixtures/task.js';
import type { Harness } from './harness.js';
import { ARROW } from './numbered-rows.js';

/**
 * The id of a task with chunks of so many rows, whose upload is under way.
 * @param fingerprint of the files of its model; by default those that are served
 */
export async function storeReceiving(
  { store }: Pick<Harness, 'store'>,
  sizes: readonly number[],
  fingerprint?: string,
): Promise<string> {
  const id = randomUUID();
  await store.create(newTask(fingerprint === undefined ? { id } : { id, fingerprint }));
  for (const [index, rows] of sizes.entries()) {
    const bytes = Buffer.from('1\n'.repeat(rows));
    await store.append(id, { index, firstRow: firstRowOf(sizes, index), rows, bytes });
  }
  return id;
}

/** The same, accepted. */
export async function storeTask(
  { store }: Pick<Harness, 'store'>,
  sizes: readonly number[],
): Promise<string> {
  const id = await storeReceiving({ store }, sizes);
  await store.seal(id, sizes.length);
  return id;
}

export function firstRowOf(sizes: readonly number[], chunk: number): number {
  return sizes.slice(0, chunk).reduce((sum, rows) => sum + rows, 0);
}

/** The whole text of a finished result. @param query with its question mark */
export async function downloadResult(
  { app }: Harness,
  id: string,
  accept: string,
  query = '',
): Promise<string> {
  const call = request(app).get(`/batch-result/${id}${query}`).set('accept', accept);
  return (await call.buffer(true).parse(asText).expect(200)).body;
}

/** The rows of a finished result, which comes as an Arrow stream. @param query with its question mark */
export async function downloadArrow({ app }: Harness, id: string, query = ''): Promise<ArrowRow[]> {
  const call = request(app).get(`/batch-result/${id}${query}`).set('accept', ARROW);
  const { headers, body } = await call.buffer(true).parse(asBytes).expect(200);
  expect(headers['content-type']).toBe(ARROW);
  return arrowRows(body);
}

const asBytes: Parameters<request.Test['parse']>[0] = (response, done) => {
  const pieces: Buffer[] = [];
  response.on('data', (data: Buffer) => pieces.push(data));
  response.on('end', () => done(null, Buffer.concat(pieces)));
};

/** Reads an answer as text, whatever its content type says. */
export const asText: Parameters<request.Test['parse']>[0] = (response, done) => {
  let text = '';
  response.setEncoding('utf8').on('data', (data) => {
    text += data;
  });
  response.on('end', () => done(null, text));
};
