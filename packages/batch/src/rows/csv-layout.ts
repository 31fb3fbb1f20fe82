/** The layout of CSV records: the header says it. */
import type { FeatureCodec } from './feature-codec.js';
import type { InputRows } from './input-rows.js';
import { bareForm, LayoutBuilder, type RowLayout } from './row-layout.js';
import { type CsvColumn, ID_KEY, type RowReader } from './row-reader.js';

const NOTHING = new Uint8Array(0);
const COMMA = Uint8Array.of(0x2c);

/** @returns undefined for columns that make no whole row, and those that spell nested values in JSON */
export function csvLayout(
  columns: readonly CsvColumn[],
  reader: RowReader,
  inputs: readonly InputRows[],
): RowLayout | undefined {
  // A record of one empty field is a blank line, and no row.
  const builder = new LayoutBuilder(inputs, columns.length > 1 ? NOTHING : undefined);
  for (const [at, column] of columns.entries()) {
    const before = at === 0 ? NOTHING : COMMA;
    if (column === ID_KEY) {
      builder.add(before, 0, before.length, 'field', undefined);
      continue;
    }
    const [index, element] = typeof column === 'number' ? [column, undefined] : column;
    const feature = reader.features[index] as FeatureCodec;
    if (element === undefined && feature.shape.length > 0) return undefined;
    const form = bareForm(feature) === 'number' ? 'number' : 'field';
    builder.add(before, 0, before.length, form, { feature, element: element ?? 0 });
  }
  return builder.finish(NOTHING, reader.features);
}
