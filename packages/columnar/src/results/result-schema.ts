/** The schema of a result as an Arrow stream, one for all of its record batches. */
import { ELEMENT_TYPES } from '@millrace/batch/manifest/element-types';
import type { ColumnHead } from '@millrace/batch/results/column';
import type { NumberName, ValueType } from '../ipc/arrow-type.js';
import type { NamedType } from '../ipc/writer.js';

const TEXT: ValueType = { kind: 'utf8' };
/** Before the outputs, and behind them. */
const ROW: NamedType = { name: 'row', type: { kind: 'number', type: 'int64' } };
const ID: NamedType = { name: 'id', type: TEXT };
const ERROR: NamedType[] = [
  { name: 'error_code', type: TEXT },
  { name: 'error_message', type: TEXT },
];

/** @param heads of the outputs that are shown */
export function resultFields(heads: readonly ColumnHead[]): NamedType[] {
  const taken = new Set([ROW, ID, ...ERROR].map(({ name }) => name));
  const outputs = heads.map((head): NamedType => {
    const { classes } = head;
    let { name } = head;
    while (taken.has(name)) name = `output.${name}`;
    taken.add(name);
    const type = outputType(head);
    const isNamed = classes !== undefined && type.kind === 'list';
    return { name, type, ...(isNamed ? { metadata: { classes: JSON.stringify(classes) } } : {}) };
  });
  return [ROW, ID, ...outputs, ...ERROR];
}

/** The type of an output's column: its own, a text where the values are classes by name, lists where rows have a shape. */
export function outputType(head: ColumnHead): ValueType {
  const rank = rankOf(head);
  const single = rank === 0 && head.classes !== undefined ? TEXT : elementType(head);
  return Array.from({ length: rank }).reduce<ValueType>((item) => ({ kind: 'list', item }), single);
}

/** Dimensions of a row's value. Where rows differ in shape, those without a prediction have one that says nothing. */
export function rankOf({ shape, shapes }: ColumnHead): number {
  return shape?.length ?? Math.max(1, ...(shapes ?? []).map((each) => each.length));
}

function elementType({ type }: ColumnHead): ValueType {
  const { kind } = ELEMENT_TYPES[type];
  if (kind === 'string') return TEXT;
  return kind === 'bool' ? { kind } : { kind: 'number', type: type as NumberName };
}
