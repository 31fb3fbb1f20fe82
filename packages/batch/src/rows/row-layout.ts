/**
 * The layout of rows that one program has written in one way: they differ in their values only, the bytes between these
 * are the same in all of them.
 */
import type { TensorData } from '../manifest/element-types.js';
import { standsAt } from '../stands-at.js';
import type { FeatureCodec } from './feature-codec.js';
import type { InputRows, PackedRows } from './input-rows.js';

export interface RowLayout {
  /** In the order of the bytes. */
  runs: readonly Run[];
  /** What stands behind the last value, up to the line end. */
  tail: Uint8Array;
  /** Features that such a row does not have; each has a default. */
  absent: readonly FeatureCodec[];
}

/** How a value is spelled. */
export type Form = 'number' | 'boolean' | 'string' | 'field';

/** How the values of a feature are spelled where they have no quotes; undefined for texts. */
export function bareForm({ element }: FeatureCodec): 'number' | 'boolean' | undefined {
  const form = typeof element.fromText('0');
  return form === 'number' || form === 'boolean' ? form : undefined;
}

/** Values that follow each other in the bytes as in the tensor: one, or those of a vector. */
export interface Run {
  form: Form;
  /** What stands before the first value, and between two of them. */
  before: Uint8Array;
  between: Uint8Array;
  count: number;
  /** What stands in place of a value that is absent; undefined where none may be. */
  nothing: Uint8Array | undefined;
  /** undefined: it is the id of the row, and goes to no tensor. */
  target: RunTarget | undefined;
}

export interface RunTarget {
  feature: FeatureCodec;
  /** The place of the run's first value among those of the feature. */
  element: number;
  data: TensorData;
  /** The same among all values of a row in the tensor, and how many these are. */
  offset: number;
  size: number;
}

/** A value of a feature, or the id. */
export type Leaf = Pick<RunTarget, 'feature' | 'element'> | undefined;

/** Builds a layout value by value, in the order of the bytes. */
export class LayoutBuilder {
  private readonly runs: Run[] = [];

  constructor(
    private readonly inputs: readonly InputRows[],
    private readonly nothing: Uint8Array | undefined,
  ) {}

  /** Between this value and the last one, or the start of the row, stand the bytes of `row` from `start` to `end`. */
  add(row: Uint8Array, start: number, end: number, form: Form, leaf: Leaf): void {
    const last = this.runs.at(-1);
    if (last !== undefined && continues(last, form, leaf)) {
      if (last.count === 1) last.between = row.slice(start, end);
      if (last.between.length === end - start && standsAt(last.between, row, start)) {
        last.count++;
        return;
      }
    }
    const before = row.slice(start, end);
    // Between quotes, `null` is a text.
    const nothing = form === 'string' ? undefined : this.nothing;
    this.runs.push({ form, before, between: before, count: 1, nothing, target: leaf && this.target(leaf) });
  }

  /** @returns undefined unless every feature was there once, with all of its values, or is absent and has a default */
  finish(tail: Uint8Array, features: readonly FeatureCodec[]): RowLayout | undefined {
    const { runs } = this;
    /** Values by feature; the id is `undefined`. */
    const found = new Map<FeatureCodec | undefined, number>();
    for (const { target, count } of runs) {
      found.set(target?.feature, (found.get(target?.feature) ?? 0) + count);
    }
    const absent = features.filter((each) => !found.has(each));
    const isWhole =
      absent.every(({ fallback }) => fallback !== undefined) &&
      [...found].every(([feature, values]) => values === (feature?.size ?? 1));
    return isWhole ? { runs, tail, absent } : undefined;
  }

  private target({ feature, element }: NonNullable<Leaf>): RunTarget {
    const { data, size } = this.inputs[feature.input] as PackedRows;
    return { feature, element, data, offset: feature.offset + element, size };
  }
}

/** True for the value that comes next in the tensor. */
function continues({ form, count, target }: Run, found: Form, leaf: Leaf): boolean {
  if (target === undefined || leaf === undefined || form !== found) return false;
  return target.feature === leaf.feature && target.element + count === leaf.element;
}
