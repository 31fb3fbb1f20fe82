/** A number of a column as JSON text, in the form that its head asks for. */
import { ELEMENT_TYPES, type TensorData } from '../manifest/element-types.js';
import { float16Value } from '../manifest/float16.js';
import type { ColumnHead } from './column.js';
import { float16Text, float32Text, int64Text } from './number-text.js';

/** Prints the number at a position of a column's data. */
type PrintNumber = (data: TensorData, at: number) => string;

export function numberPrinter({ type, decimals, int64, non_finite: nonFinite }: ColumnHead): PrintNumber {
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
): PrintNumber {
  switch (type) {
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
    default:
      if (decimals === undefined) return (data, at) => String(data[at]);
      return (data, at) => rounded(data[at] as number, decimals);
  }
}

function rounded(value: number, decimals: number): string {
  return String(Number(value.toFixed(decimals)));
}
