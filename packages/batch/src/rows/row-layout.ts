/**
 * The layout of rows that one program has written in one way: they differ in their values only, the bytes between these
 * are the same in all of them.
 */
import type { TensorData } from '../manifest/element-types.js';
import type { ElementCodec } from './element-codec.js';
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

/** Values that follow each other in the bytes as in the tensor: one, or those of a vector. */
export interface Run {
  form: Form;
  /** What stands before the first value, and between two of them. */
  before: Uint8Array;
  between: Uint8Array;
  count: number;
  /** undefined: it is the id of the row, and goes to no tensor. */
  target: RunTarget | undefined;
}

export interface RunTarget {
  element: ElementCodec;
  data: TensorData;
  /** Values of a row in the tensor, and the place of the run's first one among them. */
  size: number;
  offset: number;
}

/** A value of a feature, or the id. */
export type Leaf = { feature: FeatureCodec; element: number } | undefined;

/** Builds a layout value by value, in the order of the bytes. */
export class LayoutBuilder {
  private readonly runs: Run[] = [];
  /** Values found of each feature; the id is `undefined`. */
  private readonly found = new Map<FeatureCodec | undefined, number>();

  constructor(private readonly inputs: readonly InputRows[]) {}

  /** @param before what stands between this value and the last one, or the start of the row */
  add(before: Uint8Array, form: Form, leaf: Leaf): void {
    this.found.set(leaf?.feature, (this.found.get(leaf?.feature) ?? 0) + 1);
    if (leaf === undefined) {
      this.runs.push({ form, before, between: before, count: 1, target: undefined });
      return;
    }
    const { feature, element } = leaf;
    const { data, size } = this.inputs[feature.input] as PackedRows;
    const offset = feature.offset + element;
    if (this.extends(before, form, { element: feature.element, data, size, offset })) return;
    const target = { element: feature.element, data, size, offset };
    this.runs.push({ form, before, between: before, count: 1, target });
  }

  /** @returns undefined unless every feature was there once, with all of its values, or is absent and has a default */
  finish(tail: Uint8Array, features: readonly FeatureCodec[]): RowLayout | undefined {
    const { runs, found } = this;
    const absent = features.filter((each) => !found.has(each));
    const isWhole =
      absent.every(({ fallback }) => fallback !== undefined) &&
      [...found].every(([feature, values]) => values === (feature?.size ?? 1));
    return isWhole ? { runs, tail, absent } : undefined;
  }

  /** Takes a value into the last run, if it goes on there. */
  private extends(before: Uint8Array, form: Form, { element, data, offset }: RunTarget): boolean {
    const run = this.runs.at(-1);
    if (run?.target === undefined || run.form !== form) return false;
    const isNext =
      run.target.element === element && run.target.data === data && run.target.offset + run.count === offset;
    if (!isNext || (run.count > 1 && !isSame(run.between, before))) return false;
    run.between = before;
    run.count++;
    return true;
  }
}

function isSame(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && one.every((byte, at) => byte === other[at]);
}
