/** Runs the samples of a version and compares what comes out with the answers that are known. */
import { ELEMENT_TYPES } from '@millrace/batch/manifest/element-types';
import { float16Value } from '@millrace/batch/manifest/float16';
import type { Manifest } from '@millrace/batch/manifest/manifest';
import type { Answer, Samples } from '@millrace/batch/manifest/samples';
import type { Column } from '@millrace/batch/results/column';
import { shorten } from '@millrace/batch/rows/describe';
import { RowReader } from '@millrace/batch/rows/row-reader';
import { decodeRows } from './decode-rows.js';
import type { OnnxSession } from './onnx-session.js';

const PRINTED_MAX = 200;

/** @throws Error that names the first sample that does not come out */
export async function proveSamples(session: OnnxSession, manifest: Manifest, known: Samples): Promise<void> {
  const rows = known.samples.map(({ row }) => row);
  const columns = await session.predict(manifest, decodeRows(rows, new RowReader(manifest)));
  known.samples.forEach(({ outputs }, index) => {
    for (const [name, answer] of Object.entries(outputs)) {
      const column = columns.find(({ head }) => head.name === name);
      if (column === undefined) {
        throw new Error(`sample ${index} names an output "${name}" that the manifest does not`);
      }
      const found = valuesOf(column, index);
      if (!agrees(found, [answer].flat(8) as Answer[], column, known.tolerance)) {
        throw new Error(`sample ${index}: ${name} is ${printed(found)}, known to be ${printed(answer)}`);
      }
    }
  });
}

function valuesOf({ head, data, place }: Column, row: number): (string | number | bigint | boolean)[] {
  const { start, shape } = place(row);
  const values = data.slice(start, start + shape.reduce((size, each) => size * each, 1));
  return Array.from(values as Iterable<string | number | bigint>, (value) => {
    if (head.type === 'bool') return value === 1;
    return head.type === 'float16' ? float16Value(value as number) : value;
  });
}

/** Floats agree within the tolerance, everything else exactly. */
function agrees(
  found: readonly (string | number | bigint | boolean)[],
  answer: readonly Answer[],
  { head }: Column,
  tolerance: number,
): boolean {
  if (found.length !== answer.length) return false;
  const isFloat = ELEMENT_TYPES[head.type].kind === 'float';
  return found.every((value, at) =>
    isFloat ? isNear(Number(value), Number(answer[at]), tolerance) : String(value) === String(answer[at]),
  );
}

/** Also for what is no number, or infinite. */
function isNear(value: number, answer: number, tolerance: number): boolean {
  return Object.is(value, answer) || Math.abs(value - answer) <= tolerance;
}

function printed(values: unknown): string {
  const text = JSON.stringify(values, (_, value) => (typeof value === 'bigint' ? String(value) : value));
  return shorten(text, PRINTED_MAX);
}
