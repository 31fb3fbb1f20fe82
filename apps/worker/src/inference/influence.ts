/** Finds out whether the rows of a micro-batch influence each other, so that an answer depends on its neighbours. */
import { float16Value } from '@millrace/batch/manifest/float16';
import type { Manifest, ManifestFile } from '@millrace/batch/manifest/manifest';
import { RowReader } from '@millrace/batch/rows/row-reader';
import { decodeRows } from './decode-rows.js';
import { firstRows, microBatches } from './micro-batch.js';
import type { OnnxSession, RunOutput } from './onnx-session.js';
import type { Answered } from './tried-rows.js';

/** How far the same answer may differ with other rows beside it: sums are added up in another order. */
const INFLUENCE_TOLERANCE = 1e-4;

/** The output in which two rows in one micro-batch influence each other, if there is one. */
export async function influencedOutput(
  session: OnnxSession,
  manifest: Manifest,
  one: Answered,
  other: Answered,
): Promise<string | undefined> {
  const { micro_batch: microBatch, fixed_batch: fixed } = manifest.limits;
  const { inputs } = decodeRows([one.row, other.row], new RowReader(manifest));
  const [group = new Uint32Array()] = microBatches(inputs, firstRows(2), 2);
  if ((fixed ?? microBatch) === 1 || group.length < 2) return undefined;
  const together = await session.run(manifest, inputs, group);
  const differing = together.find((found, at) =>
    [one, other].some((alone, place) => {
      const expected = alone.outputs[at];
      return (
        expected !== undefined &&
        !isSameRow(found, place, expected, 0, manifest.outputs[at]?.type === 'float16')
      );
    }),
  );
  return differing?.name;
}

function isSameRow(
  found: RunOutput,
  row: number,
  expected: RunOutput,
  other: number,
  isFloat16: boolean,
): boolean {
  const valuesAt = ({ data, rowShape }: RunOutput, place: number) => {
    const size = rowShape.reduce((product, each) => product * each, 1);
    return Array.from(data.slice(place * size, (place + 1) * size) as Iterable<unknown>);
  };
  const wanted = valuesAt(expected, other);
  const values = valuesAt(found, row);
  if (values.length !== wanted.length) return false;
  return values.every((value, at) => {
    const want = wanted[at];
    if (typeof value !== 'number' || typeof want !== 'number') return value === want;
    const [a, b] = isFloat16 ? [float16Value(value), float16Value(want)] : [value, want];
    return Object.is(a, b) || Math.abs(a - b) <= INFLUENCE_TOLERANCE * Math.max(1, Math.abs(a), Math.abs(b));
  });
}

/** Has rows that influence each other run one by one where that is for us to decide; says what is to be known of it. */
export function settleInfluence({ limits }: Manifest, file: ManifestFile, output: string): string {
  const what = `the rows of a micro-batch influence each other (output "${output}")`;
  if (limits.fixed_batch !== undefined) {
    return `${what}, and the graph takes just ${limits.fixed_batch} at once: is its first dimension the batch?`;
  }
  if (file.limits?.micro_batch !== undefined)
    return `${what}; "limits": {"micro_batch": 1} in model.json keeps them apart`;
  limits.micro_batch = 1;
  return `${what}, as they do in a graph that is quantised dynamically; they are run one by one`;
}
