/** The keys by which the prediction cache knows rows: digests of what the session is fed for them. */
import { hash } from 'node:crypto';
import { slice } from '@millrace/batch/manifest/element-types';
import type { Manifest } from '@millrace/batch/manifest/manifest';
import type { InputRows } from '@millrace/batch/rows/input-rows';
import { ROW_KEY_BYTES } from '@millrace/queue/scripts/cache-scripts';
import { RUNTIME_VERSION } from '../inference/onnx-session.js';
import { type RowTensor, RowWriter } from './row-bytes.js';

/**
 * For each of the first `count` rows a key, one character per byte: the same for rows that are equal as the tensors hold
 * them, whatever they were written like, and another for all others.
 */
export function rowKeys({ inputs }: Manifest, rows: readonly InputRows[], count: number): string[] {
  const writer = new RowWriter();
  return Array.from({ length: count }, (_, row) => {
    writer.restart();
    writer.text(RUNTIME_VERSION);
    inputs.forEach((input, at) => {
      writer.tensor(input, rowOf(rows[at] as InputRows, row));
    });
    return hash('sha256', writer.bytes, 'binary').slice(0, ROW_KEY_BYTES);
  });
}

/** Keys as bytes, one after the other. */
export function keyBytes(keys: readonly string[]): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(Buffer.from(keys.join(''), 'binary'));
}

function rowOf(rows: InputRows, row: number): RowTensor {
  if (rows.kind === 'packed') {
    const { data, size, shape } = rows;
    return { data: slice(data, row * size, (row + 1) * size), rowShape: shape };
  }
  const { data, shape } = rows.rows[row] as (typeof rows.rows)[number];
  return { data, rowShape: shape };
}
