/** Which column of an Arrow schema holds what of a row, and whether it can. */
import { BatchError } from '@millrace/batch/errors';
import { type Feature, shapeOf } from '@millrace/batch/manifest/feature';
import type { Manifest } from '@millrace/batch/manifest/manifest';
import { columnsOf } from '@millrace/batch/rows/csv';
import { shorten } from '@millrace/batch/rows/describe';
import { type CsvColumn, ID_KEY } from '@millrace/batch/rows/row-reader';
import { type ArrowField, typeName, type ValueType, valueTypeOf } from '../ipc/arrow-type.js';

/**
 * What each column holds. The names of columns are those of CSV.
 * @throws BatchError `duplicate_column`, `unknown_column`, `missing_column`, `wrong_column_type`
 */
export function planColumns(fields: readonly ArrowField[], manifest: Manifest): CsvColumn[] {
  const names = fields.map(({ name }) => name);
  const columns = columnsOf(names, manifest, 'the schema');
  fields.forEach(({ name, type }, at) => {
    const wanted = wantedOf(columns[at] as CsvColumn, manifest);
    const found = valueTypeOf(type);
    if (found !== undefined && wanted.takes(found)) return;
    const message = `the column "${shorten(name)}" is of the Arrow type ${shorten(typeName(type), 100)}; wanted is ${wanted.words}`;
    throw new BatchError('wrong_column_type', message, { column: name, column_type: typeName(type) });
  });
  return columns;
}

interface Wanted {
  words: string;
  takes(type: ValueType): boolean;
}

function wantedOf(column: CsvColumn, { features }: Manifest): Wanted {
  if (column === ID_KEY) return { words: 'a string, an integer or a float', takes: isTextOrNumber };
  const [index, isElement] = typeof column === 'number' ? [column, false] : [column[0], true];
  const feature = features[index] as Feature;
  const depth = isElement ? 0 : shapeOf(feature).length;
  const single = singleWanted(feature);
  const words = depth === 0 ? single.words : `${'a list of '.repeat(depth)}${single.plural}`;
  return { words, takes: (type) => takesNested(type, depth, single.takes) };
}

function takesNested(type: ValueType, depth: number, takes: Wanted['takes']): boolean {
  if (type.kind === 'null') return true;
  if (depth === 0) return takes(type);
  return type.kind === 'list' && takesNested(type.item, depth - 1, takes);
}

function singleWanted(feature: Feature): Wanted & { plural: string } {
  switch ('element' in feature ? feature.element : feature.type) {
    case 'bool':
      return { words: 'a bool', plural: 'bools', takes: ({ kind }) => kind === 'bool' };
    case 'string':
      return { words: 'a string', plural: 'strings', takes: ({ kind }) => kind === 'utf8' };
    case 'category': {
      const isNumeric = feature.type === 'category' && typeof feature.values[0] === 'number';
      if (isNumeric) return NUMBER;
      return { words: 'a string', plural: 'strings', takes: ({ kind }) => kind === 'utf8' };
    }
    default:
      return NUMBER;
  }
}

const NUMBER = {
  words: 'an integer or a float',
  plural: 'integers or floats',
  takes: ({ kind }: ValueType) => kind === 'number',
};

function isTextOrNumber({ kind }: ValueType): boolean {
  return kind === 'utf8' || kind === 'number' || kind === 'null';
}
