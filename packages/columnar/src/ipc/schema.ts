/** Reads the schema of an Arrow stream: the names and types of its columns. */
import { isElementType } from '@millrace/batch/manifest/element-types';
import type { ArrowField, ArrowType, NumberName } from './arrow-type.js';
import { MalformedArrowError, type Table } from './flatbuffer.js';

/** No feature is nested deeper. */
const NESTING_MAX = 16;

/** @param schema the header of a schema message @throws MalformedArrowError */
export function readSchema(schema: Table): ArrowField[] {
  if (schema.int16(0) !== 0) throw new MalformedArrowError('it is big-endian; write it little-endian');
  return schema.tables(1).map((field) => ({ name: field.text(0), type: fieldType(field, 0) }));
}

/** Types by their number in Schema.fbs, those that features can be excepted. */
const OTHERS: Readonly<Record<number, string>> = {
  4: 'binary',
  7: 'decimal',
  8: 'date',
  9: 'time',
  10: 'timestamp',
  11: 'interval',
  13: 'struct',
  14: 'union',
  15: 'fixed_size_binary',
  17: 'map',
  18: 'duration',
  19: 'large_binary',
  22: 'run_end_encoded',
  23: 'binary_view',
  25: 'list_view',
  26: 'large_list_view',
};

const FLOATS = ['float16', 'float32', 'float64'] as const;

function fieldType(field: Table, depth: number): ArrowType {
  if (depth > NESTING_MAX)
    throw new MalformedArrowError(`a column is nested deeper than ${NESTING_MAX} levels`);
  const value = plainType(field, depth);
  const dictionary = field.table(4);
  if (dictionary === undefined) return value;
  const index = dictionary.table(1);
  const type = index === undefined ? 'int32' : intName(index);
  return { layout: 'dictionary', id: dictionary.size(0), index: type, value };
}

function plainType(field: Table, depth: number): ArrowType {
  const number = field.int8(2);
  const type = field.table(3);
  if (type === undefined) throw new MalformedArrowError('a column has no type');
  const item = () => {
    const [child] = field.tables(5);
    if (child === undefined) throw new MalformedArrowError('a list has no type of its items');
    return fieldType(child, depth + 1);
  };
  switch (number) {
    case 1:
      return { layout: 'null' };
    case 2:
      return { layout: 'number', type: intName(type) };
    case 3: {
      const float = FLOATS[type.int16(0)];
      if (float === undefined) throw new MalformedArrowError('a column has a float of no known precision');
      return { layout: 'number', type: float };
    }
    case 5:
      return { layout: 'utf8' };
    case 6:
      return { layout: 'bool' };
    case 12:
      return { layout: 'list', item: item() };
    case 16: {
      const size = type.int32(0);
      return size < 1 ? { layout: 'other', name: 'fixed_size_list of no item' } : fixedList(size, item());
    }
    case 20:
      return { layout: 'large_utf8' };
    case 21:
      return { layout: 'large_list', item: item() };
    case 24:
      return { layout: 'utf8_view' };
    default:
      return { layout: 'other', name: OTHERS[number] ?? `type ${number}` };
  }
}

function fixedList(size: number, item: ArrowType): ArrowType {
  return { layout: 'fixed_list', size, item };
}

function intName(type: Table): NumberName {
  const name = `${type.bool(1) ? 'int' : 'uint'}${type.int32(0)}`;
  if (!isElementType(name))
    throw new MalformedArrowError(`a column is of the type ${name}, which there is not`);
  return name as NumberName;
}
