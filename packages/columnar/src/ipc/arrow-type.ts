/** The types of Arrow columns: as they are named in a schema, and what their values are. */
import type { ElementType } from '@millrace/batch/manifest/element-types';

/** Element types that are numbers in Arrow, too, under the same names. */
export type NumberName = Exclude<ElementType, 'bool' | 'string'>;

/** What the values of a column are, however they are laid out. */
export type ValueType =
  | { kind: 'null' }
  | { kind: 'bool' }
  | { kind: 'number'; type: NumberName }
  | { kind: 'utf8' }
  | { kind: 'list'; item: ValueType };

/** How a column is laid out in a record batch. */
export type ArrowType =
  | { layout: 'null' }
  | { layout: 'bool' }
  | { layout: 'number'; type: NumberName }
  | { layout: 'utf8' | 'large_utf8' | 'utf8_view' }
  | { layout: 'list' | 'large_list'; item: ArrowType }
  | { layout: 'fixed_list'; size: number; item: ArrowType }
  | { layout: 'dictionary'; id: number; index: NumberName; value: ArrowType }
  /** One that no feature can be. */
  | { layout: 'other'; name: string };

export interface ArrowField {
  name: string;
  type: ArrowType;
}

/** Undefined for what no feature can be. */
export function valueTypeOf(type: ArrowType): ValueType | undefined {
  switch (type.layout) {
    case 'null':
    case 'bool':
      return { kind: type.layout };
    case 'number':
      return { kind: 'number', type: type.type };
    case 'utf8':
    case 'large_utf8':
    case 'utf8_view':
      return { kind: 'utf8' };
    case 'list':
    case 'large_list':
    case 'fixed_list': {
      const item = valueTypeOf(type.item);
      return item && { kind: 'list', item };
    }
    case 'dictionary': {
      const value = valueTypeOf(type.value);
      return value?.kind === 'utf8' || value?.kind === 'number' ? value : undefined;
    }
    case 'other':
      return undefined;
  }
}

/** As pyarrow prints it. */
export function typeName(type: ArrowType): string {
  switch (type.layout) {
    case 'number':
      return NUMBER_NAMES[type.type] ?? type.type;
    case 'utf8':
      return 'string';
    case 'large_utf8':
      return 'large_string';
    case 'utf8_view':
      return 'string_view';
    case 'list':
    case 'large_list':
      return `${type.layout}<${typeName(type.item)}>`;
    case 'fixed_list':
      return `fixed_size_list<${typeName(type.item)}>[${type.size}]`;
    case 'dictionary':
      return `dictionary<values=${typeName(type.value)}, indices=${typeName({ layout: 'number', type: type.index })}>`;
    case 'other':
      return type.name;
    default:
      return type.layout;
  }
}

const NUMBER_NAMES: Partial<Record<NumberName, string>> = {
  float16: 'halffloat',
  float32: 'float',
  float64: 'double',
};
