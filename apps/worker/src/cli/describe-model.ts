/** Puts a manifest into lines for a terminal. */
import { type Feature, shapeOf } from '@millrace/batch/manifest/feature';
import type { Manifest } from '@millrace/batch/manifest/manifest';

const LISTED_MAX = 30;
const VALUES_SHOWN = 6;

export function describeModel(manifest: Manifest, example: unknown): string[] {
  const { features, inputs, outputs, primary, default_outputs: shown = [primary] } = manifest;
  return [
    'row',
    ...table(features.map((feature) => [feature.name, typeOf(feature), rulesOf(feature)])),
    'tensors in',
    ...table(
      inputs.map(({ name, type, shape, features: packed }) => [
        name,
        `${type} [${['rows', ...shape.map(size)].join(', ')}]`,
        packed.length === 1 && packed[0] === name ? '' : `from ${shortList(packed)}`,
      ]),
    ),
    'tensors out',
    ...table(
      outputs.map(({ name, type, shape, classes }) => [
        name,
        `${type} [${['rows', ...shape.map(size)].join(', ')}]`,
        [shown.includes(name) ? 'shown' : '', classes === undefined ? '' : `classes ${shortList(classes)}`]
          .filter((each) => each !== '')
          .join(', '),
      ]),
    ),
    'example row',
    `  ${short(JSON.stringify(example), 300)}`,
  ];
}

/** Rows of cells as aligned lines. */
function table(rows: readonly (readonly string[])[]): string[] {
  const widths = [0, 1].map((column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const lines = rows
    .slice(0, LISTED_MAX)
    .map((row) => `  ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ')}`.trimEnd());
  return rows.length > LISTED_MAX ? [...lines, `  … and ${rows.length - LISTED_MAX} more`] : lines;
}

function typeOf(feature: Feature): string {
  const shape = shapeOf(feature);
  return shape.length === 0
    ? feature.type
    : `${feature.type} [${shape.map(size).join(', ')}]${'element' in feature ? ` of ${feature.element}` : ''}`;
}

function rulesOf(feature: Feature): string {
  const rules: string[] = [];
  if ('min' in feature && feature.min !== undefined) rules.push(`from ${feature.min}`);
  if ('max' in feature && feature.max !== undefined) rules.push(`to ${feature.max}`);
  if (feature.unit !== undefined) rules.push(feature.unit);
  if (feature.type === 'category') rules.push(`one of ${shortList(feature.values.map(String))}`);
  if (feature.type === 'string' && feature.max_length !== undefined) {
    rules.push(`at most ${feature.max_length} characters`);
  }
  if ('default' in feature && feature.default !== undefined) rules.push(`default ${feature.default}`);
  return rules.join(' ');
}

function shortList(names: readonly string[]): string {
  const shown = names.slice(0, VALUES_SHOWN).join(', ');
  return names.length > VALUES_SHOWN ? `${shown}, … (${names.length})` : shown;
}

function size(dimension: number | null): string {
  return dimension === null ? 'any' : String(dimension);
}

function short(text: string, length: number): string {
  return text.length <= length ? text : `${text.slice(0, length - 1)}…`;
}
