/** One row's value of a column as JSON text. */
import { ELEMENT_TYPES, type TensorData } from '../manifest/element-types.js';
import { float16Value } from '../manifest/float16.js';
import type { Column, ColumnHead } from './column.js';
import { float16Text, float32Text, int64Text } from './number-text.js';

/** Prints the value at a position of a column's data. */
type PrintValue = (data: TensorData, at: number) => string;

/** @returns the JSON text of a row's value, by row */
export function cellPrinter(column: Column): (row: number) => string {
  const { head, data } = column;
  const { classes, top_k: topK } = head;
  const print = valuePrinter(head);
  return (row) => {
    const { start, shape } = column.place(row);
    if (shape.length === 0) {
      return classes === undefined
        ? print(data, start)
        : className(classes, Number(data[start]), print(data, start));
    }
    if (shape.length > 1) return nested(data, start, shape, 0, print).text;
    const length = shape[0] as number;
    if (topK !== undefined) return highest(column, start, length, topK, print);
    const texts: string[] = [];
    for (let at = 0; at < length; at++) {
      const value = print(data, start + at);
      texts.push(classes === undefined ? value : `${JSON.stringify(classes[at] ?? String(at))}:${value}`);
    }
    return classes === undefined ? `[${texts.join(',')}]` : `{${texts.join(',')}}`;
  };
}

function className(classes: readonly string[], index: number, otherwise: string): string {
  const name = classes[index];
  return name === undefined ? otherwise : JSON.stringify(name);
}

function nested(
  data: TensorData,
  start: number,
  shape: readonly number[],
  depth: number,
  print: PrintValue,
): { text: string; end: number } {
  if (depth === shape.length) return { text: print(data, start), end: start + 1 };
  const texts: string[] = [];
  let at = start;
  for (let index = 0; index < (shape[depth] as number); index++) {
    const { text, end } = nested(data, at, shape, depth + 1, print);
    texts.push(text);
    at = end;
  }
  return { text: `[${texts.join(',')}]`, end: at };
}

/** The k highest values of a vector, as a list of their classes and scores. */
function highest(column: Column, start: number, length: number, k: number, print: PrintValue): string {
  const { data, head } = column;
  const texts = highestPlaces(column, start, length, k).map((place) => {
    const name = head.classes === undefined ? String(place) : className(head.classes, place, String(place));
    return `{"class":${name},"score":${print(data, start + place)}}`;
  });
  return `[${texts.join(',')}]`;
}

/** The places of the k highest values of a vector, highest first, the earlier place first among equals. */
export function highestPlaces({ data, head }: Column, start: number, length: number, k: number): number[] {
  const value = (place: number): number => {
    const found = data[start + place];
    const number = head.type === 'float16' ? float16Value(found as number) : Number(found);
    // The lowest of all: compared as it is, it would leave the others in no order.
    return Number.isNaN(number) ? Number.NEGATIVE_INFINITY : number;
  };
  const places = Array.from({ length }, (_, place) => place);
  return places.sort((a, b) => value(b) - value(a) || a - b).slice(0, k);
}

/** @returns the JSON text of a value that a column with this head holds */
export function valuePrinter({ type, decimals, int64, non_finite: nonFinite }: ColumnHead): PrintValue {
  const print = plainPrinter(type, decimals, int64 ?? 'auto');
  if (nonFinite !== 'string' || ELEMENT_TYPES[type].kind !== 'float') return print;
  return (data, at) => {
    const value = type === 'float16' ? float16Value(data[at] as number) : (data[at] as number);
    return Number.isFinite(value) ? print(data, at) : `"${value}"`;
  };
}

function plainPrinter(
  type: ColumnHead['type'],
  decimals: number | undefined,
  int64: 'auto' | 'string' | 'number',
): PrintValue {
  switch (type) {
    case 'string':
      return (data, at) => JSON.stringify(data[at]);
    case 'bool':
      return (data, at) => (data[at] === 0 ? 'false' : 'true');
    case 'int64':
    case 'uint64':
      if (int64 === 'auto') return (data, at) => int64Text(data[at] as bigint);
      return int64 === 'number' ? (data, at) => String(data[at]) : (data, at) => `"${data[at]}"`;
    case 'float16':
      if (decimals === undefined) return (data, at) => float16Text(data[at] as number);
      return (data, at) => rounded(float16Value(data[at] as number), decimals);
    case 'float32':
      if (decimals === undefined) return (data, at) => float32Text(data[at] as number);
      return (data, at) => rounded(data[at] as number, decimals);
    case 'float64':
      if (decimals !== undefined) return (data, at) => rounded(data[at] as number, decimals);
      return (data, at) => String(data[at]);
    default:
      return (data, at) => String(data[at]);
  }
}

function rounded(value: number, decimals: number): string {
  return String(Number(value.toFixed(decimals)));
}
