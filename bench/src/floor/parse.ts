/** Parse only: `JSON.parse` of each line, the checks that the platform promises of a row, and the values of a tensor. */
import type { Feature } from '../workloads/workload.js';

/** @param into gets the values @throws Error at the first row that does not hold */
export function parseLines(
  pieces: readonly Uint8Array[],
  features: readonly Feature[],
  into: Float32Array | string[],
): void {
  const places = new Map(features.map(({ name }, at) => [name, at]));
  const decoder = new TextDecoder('utf-8', { fatal: true });
  let row = 0;
  for (const piece of pieces) {
    for (const line of decoder.decode(piece).split('\n')) {
      if (line !== '') takeRow(JSON.parse(line), features, places, into, row++);
    }
  }
}

function takeRow(
  value: unknown,
  features: readonly Feature[],
  places: ReadonlyMap<string, number>,
  into: Float32Array | string[],
  row: number,
): void {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new Error(`row ${row} is no object`);
  let members = 0;
  for (const name in value) {
    const at = places.get(name);
    if (at === undefined) throw new Error(`row ${row} has an unknown feature`);
    into[row * features.length + at] = checked(
      (value as Record<string, unknown>)[name],
      features[at] as Feature,
      row,
    ) as never;
    members++;
  }
  if (members !== features.length) throw new Error(`row ${row} lacks a feature`);
}

function checked(value: unknown, feature: Feature, row: number): number | string {
  if (feature.kind === 'number') {
    if (typeof value === 'number' && value >= feature.min && value <= feature.max) return value;
  } else if (typeof value === 'string' && value.length <= feature.maxLength && !value.includes('\0'))
    return value;
  throw new Error(`row ${row}: ${feature.name} does not hold`);
}
