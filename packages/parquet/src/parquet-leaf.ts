/** Puts the values of a Parquet column into Arrow's layout: numbers as they are, everything that is not one as text. */
import { ELEMENT_TYPES } from '@millrace/batch/manifest/element-types';
import { bitsOf } from '@millrace/columnar/bits';
import type { Column } from '@millrace/columnar/column';
import type { ArrowType, NumberName } from '@millrace/columnar/ipc/arrow-type';
import { textColumn } from '@millrace/columnar/text-column';
import type { SchemaElement } from 'hyparquet';
import { leafPrinter } from './parquet-column.js';

export interface LeafReader {
  type: ArrowType;
  /** @param isThere false for a value that is null */
  read(values: ArrayLike<unknown>, isThere: (at: number) => boolean): Column;
}

/** @throws Error that says why no feature can take such a column */
export function leafReader(element: SchemaElement): LeafReader {
  const print = leafPrinter(element);
  const { type, converted_type, logical_type } = element;
  switch (logical_type?.type ?? converted_type) {
    case 'DECIMAL':
      return numberReader('float64', (value) => Number(unquoted(print(value))));
    case 'FLOAT16':
      return numberReader('float32');
    case 'DATE':
    case 'TIME':
    case 'TIME_MILLIS':
    case 'TIME_MICROS':
    case 'TIMESTAMP':
    case 'TIMESTAMP_MILLIS':
    case 'TIMESTAMP_MICROS':
    case 'UUID':
      return textReader((value) => unquoted(print(value)));
  }
  switch (type) {
    case 'BOOLEAN':
      return BOOLS;
    case 'INT32':
      return numberReader(isUnsigned(element) ? 'uint32' : 'int32');
    case 'INT64':
      return numberReader(isUnsigned(element) ? 'uint64' : 'int64');
    case 'FLOAT':
      return numberReader('float32');
    case 'DOUBLE':
      return numberReader('float64');
    case 'BYTE_ARRAY':
      return BYTES;
    default:
      return textReader((value) => unquoted(print(value)));
  }
}

function isUnsigned({ converted_type, logical_type }: SchemaElement): boolean {
  if (logical_type?.type === 'INTEGER') return !logical_type.isSigned;
  return converted_type?.startsWith('UINT') === true;
}

/** A printed value is JSON text, which is a string but for numbers. */
function unquoted(text: string): string {
  return text.startsWith('"') ? (JSON.parse(text) as string) : text;
}

function numberReader(type: NumberName, convert?: (value: unknown) => number): LeafReader {
  return {
    type: { layout: 'number', type },
    read(values, isThere) {
      const { length } = values;
      const numbers = new ELEMENT_TYPES[type].array(length);
      for (let at = 0; at < length; at++) {
        // The array takes what hyparquet gives for such a column: numbers, or bigints where it is of 64 bits.
        if (isThere(at)) numbers[at] = (convert === undefined ? values[at] : convert(values[at])) as never;
      }
      return { kind: 'number', length, type, values: numbers };
    },
  };
}

const BOOLS: LeafReader = {
  type: { layout: 'bool' },
  read: (values) => ({
    kind: 'bool',
    length: values.length,
    bits: bitsOf(values.length, (at) => values[at] === true),
  }),
};

function textReader(print: (value: unknown) => string): LeafReader {
  return {
    type: { layout: 'utf8' },
    read: (values, isThere) =>
      textColumn(Array.from(values, (value, at) => (isThere(at) ? print(value) : undefined))),
  };
}

/** Texts as the bytes that they are. They stay where they are: many rows may share one, and be far longer than the file. */
const BYTES: LeafReader = {
  type: { layout: 'utf8' },
  read(values, isThere) {
    const { length } = values;
    const text = (at: number) => values[at] as Uint8Array;
    const lengths = Int32Array.from({ length }, (_, at) => (isThere(at) ? text(at).length : 0));
    const indices = Int32Array.from({ length }, (_, at) => at);
    return { kind: 'indirect', length, value: { kind: 'texts', length, lengths, text }, indices };
  },
};
