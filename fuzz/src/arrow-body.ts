/** Rows as an Arrow stream: a column for each name, of the type that holds all of its values. */
import { Bool, type DataType, Field, Float64, Int64, List, Utf8 } from 'apache-arrow';
import { type ArrowColumn, tableStream } from '../../packages/columnar/test/arrow-stream.js';
import type { Json } from './document.js';

/** A column without any value is left out, as a name is of which no row has one. */
export function arrowBody(rows: readonly Json[]): Buffer {
  const names = [...new Set(rows.flatMap((row) => Object.keys(row).filter((name) => row[name] !== null)))];
  const columns = names.map((name): ArrowColumn => {
    const values = rows.map((row) => row[name] ?? null);
    const type = typeOf(values.filter((value) => value !== null));
    return { name, type, values: values.map((value) => asHeld(value, type)) };
  });
  // What has no column has no rows.
  if (columns.length === 0) columns.push({ name: 'id', type: new Int64(), values: rows.map(() => null) });
  return Buffer.from(tableStream(columns));
}

function typeOf(values: readonly Json[]): DataType {
  // Of lists that are all empty.
  if (values.length === 0) return new Float64();
  if (values.every(Array.isArray)) return new List(new Field('item', typeOf(values.flat()), true));
  if (values.every((value) => typeof value === 'boolean')) return new Bool();
  if (values.every(Number.isSafeInteger)) return new Int64();
  return values.every((value) => typeof value === 'number') ? new Float64() : new Utf8();
}

function asHeld(value: Json, type: DataType): unknown {
  if (value === null) return null;
  if (Array.isArray(value)) return value.map((each) => asHeld(each, type.children[0]?.type as DataType));
  if (type instanceof Int64) return BigInt(value);
  return type instanceof Utf8 && typeof value !== 'string' ? JSON.stringify(value) : value;
}
