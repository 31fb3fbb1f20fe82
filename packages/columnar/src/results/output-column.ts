/** The column of an output in a result: the tensor as it is stored, in Arrow's layout. */
import {
  allocate,
  type BigIntArray,
  type NumberArray,
  type TensorData,
} from '@millrace/batch/manifest/element-types';
import { cellPrinter } from '@millrace/batch/results/cell-text';
import type { Column as OutputColumn } from '@millrace/batch/results/column';
import { bitsOf } from '../bits.js';
import type { PlainColumn } from '../column.js';
import type { ValueType } from '../ipc/arrow-type.js';
import { textColumn } from '../text-column.js';

type ListType = Extract<ValueType, { kind: 'list' }>;

/** The values of all rows; what stands for those of a row without a prediction means nothing. */
export function toArrow(column: OutputColumn, type: ValueType, rows: number): PlainColumn {
  if (type.kind === 'list') return listsOf(column, type, rows);
  const isClass = type.kind === 'utf8' && column.head.type !== 'string';
  return isClass ? textColumn(classNames(column, rows)) : leaves(column.data, type, rows);
}

/** A column of a type for rows that have no value. */
export function emptyColumn(type: ValueType, rows: number): PlainColumn {
  switch (type.kind) {
    case 'list':
      return { kind: 'list', length: rows, offsets: 0, items: emptyColumn(type.item, 0) };
    case 'number':
      return leaves(allocate(type.type, rows), type, rows);
    case 'bool':
      return leaves(allocate('bool', rows), type, rows);
    default:
      return leaves(allocate('string', rows), type, rows);
  }
}

/** As in JSON: the class of this place, or the number itself where there is none. */
function classNames(column: OutputColumn, rows: number): string[] {
  const print = cellPrinter(column);
  return Array.from({ length: rows }, (_, row) => {
    const text = print(row);
    return text.startsWith('"') ? (JSON.parse(text) as string) : text;
  });
}

function listsOf({ head, data }: OutputColumn, type: ListType, rows: number): PlainColumn {
  const { shape, shapes } = head;
  return shapes === undefined ? evenLists(data, type, rows, shape ?? []) : unevenLists(data, type, shapes);
}

/** Every row has the same shape. */
function evenLists(data: TensorData, type: ValueType, length: number, shape: readonly number[]): PlainColumn {
  const [size, ...inner] = shape;
  if (type.kind !== 'list' || size === undefined) return leaves(data, type, length);
  return { kind: 'list', length, offsets: size, items: evenLists(data, type.item, length * size, inner) };
}

/** Every list has a shape of its own; one that has fewer dimensions than the others has no items. */
function unevenLists(data: TensorData, type: ValueType, shapes: readonly (readonly number[])[]): PlainColumn {
  if (type.kind !== 'list') return leaves(data, type, shapes.length);
  const offsets = new Int32Array(shapes.length + 1);
  const items: (readonly number[])[] = [];
  shapes.forEach(([size = 0, ...inner], at) => {
    offsets[at + 1] = (offsets[at] as number) + size;
    for (let item = 0; item < size; item++) items.push(inner);
  });
  return { kind: 'list', length: shapes.length, offsets, items: unevenLists(data, type.item, items) };
}

function leaves(data: TensorData, type: ValueType, length: number): PlainColumn {
  switch (type.kind) {
    case 'number':
      return { kind: 'number', length, type: type.type, values: data as NumberArray | BigIntArray };
    case 'bool':
      return { kind: 'bool', length, bits: bitsOf(length, (at) => data[at] !== 0) };
    default:
      return textColumn(data as string[]);
  }
}
