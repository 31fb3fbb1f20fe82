/** Proves a version before it is served: its samples give the answers they are known to give. */
import type { Column } from '@millrace/batch/results/column';
import type { DecodedChunk } from '@millrace/batch/rows/decode-chunk';
import type { RowReader } from '@millrace/batch/rows/row-reader';
import type { LoadedModel } from './loaded-model.js';

const TIMED_MS = 50;

/** @throws Error that names the first sample that does not come out */
export async function proveSamples({ files, reader, session }: LoadedModel): Promise<void> {
  if (files.samples === undefined) return;
  const { samples, tolerance } = files.samples;
  const columns = await session.predict(
    decodeSamples(
      samples.map((sample) => sample.row),
      reader,
    ),
  );
  samples.forEach((sample, index) => {
    for (const [name, expected] of Object.entries(sample.outputs)) {
      const column = columns.find((each) => each.name === name);
      if (column === undefined)
        throw new Error(`sample ${index} names an output "${name}" that the manifest does not`);
      const found = valuesOf(column, index);
      if (!agrees(found, [expected].flat(), tolerance)) {
        throw new Error(`sample ${index}: ${name} is ${found}, known to be ${expected}`);
      }
    }
  });
}

/** Seconds of inference per row at the manifest's micro-batch, over at least 50 ms. */
export async function timeInference({ files, reader, session }: LoadedModel): Promise<number> {
  const rows = files.manifest.micro_batch;
  const batch: DecodedChunk = {
    rows,
    tensor: new Float32Array(rows * reader.width),
    valid: Uint32Array.from({ length: rows }, (_, place) => place),
    errors: [],
  };
  const row = files.samples?.samples[0]?.row;
  if (row !== undefined) for (let at = 0; at < rows; at++) reader.read(row, batch.tensor, at * reader.width);
  await session.predict(batch);
  const startedAt = performance.now();
  let runs = 0;
  while (performance.now() - startedAt < TIMED_MS) {
    await session.predict(batch);
    runs++;
  }
  return (performance.now() - startedAt) / 1000 / (runs * rows);
}

function decodeSamples(rows: readonly unknown[], reader: RowReader): DecodedChunk {
  const tensor = new Float32Array(rows.length * reader.width);
  rows.forEach((row, index) => {
    const problem = reader.read(row, tensor, index * reader.width);
    if (problem !== undefined) throw new Error(`sample ${index} is no valid row: ${problem.message}`);
  });
  return { rows: rows.length, tensor, valid: Uint32Array.from(rows.keys()), errors: [] };
}

function valuesOf({ data, width = 1 }: Column, row: number): number[] {
  return Array.from(data.subarray(row * width, (row + 1) * width), Number);
}

function agrees(found: readonly number[], expected: readonly number[], tolerance: number): boolean {
  return (
    found.length === expected.length &&
    found.every((value, at) => Math.abs(value - (expected[at] as number)) <= tolerance)
  );
}
