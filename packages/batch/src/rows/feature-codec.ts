/** Checks a row's value of one feature, single or nested, and writes it to the input tensor that the feature feeds. */
import { allocate, type ElementType, type TensorData } from '../manifest/element-types.js';
import { type Feature, shapeOf, sizeOf } from '../manifest/feature.js';
import type { Dimension } from '../manifest/graph.js';
import { describe } from './describe.js';
import { type ElementCodec, elementCodec, type ValueProblem } from './element-codec.js';
import type { InputRows } from './input-rows.js';
import { isNestedTooDeep } from './nesting.js';

/** Values that one row's tensor of open size may have. */
export const OPEN_SIZE_MAX = 1_000_000;

export class FeatureCodec {
  readonly name: string;
  /** Absent values are read as this; undefined when there must be one. */
  readonly fallback: unknown;
  /** Of one row's value; empty for a single one. */
  readonly shape: readonly Dimension[];
  readonly element: ElementCodec;
  /** Values of one row; undefined where a size is open. */
  readonly size: number | undefined;

  /**
   * @param input index of the input tensor
   * @param offset of the feature's values among those of a row
   */
  constructor(
    feature: Feature,
    private readonly type: ElementType,
    readonly input: number,
    readonly offset: number,
  ) {
    this.name = feature.name;
    this.shape = shapeOf(feature);
    this.size = sizeOf(this.shape);
    const rule = 'element' in feature ? { ...feature, type: feature.element } : feature;
    this.element = elementCodec(rule, type);
    const fallback = 'default' in feature ? feature.default : undefined;
    this.fallback = feature.type === 'float' && fallback === 'NaN' ? Number.NaN : fallback;
  }

  /** @returns false, with nothing of meaning written, when the value does not fit */
  write(value: unknown, inputs: readonly InputRows[], row: number): boolean {
    const rows = inputs[this.input] as InputRows;
    if (rows.kind === 'packed') {
      const at = row * rows.size + this.offset;
      return this.shape.length === 0
        ? this.element.write(value, rows.data, at)
        : this.writeNested(value, this.shape, 0, rows.data, at) !== undefined;
    }
    const shape = this.measure(value);
    const data = allocate(this.type, sizeOf(shape) ?? 0);
    if (this.writeNested(value, shape, 0, data, 0) === undefined) return false;
    rows.rows[row] = { shape, data };
    return true;
  }

  writeFallback(inputs: readonly InputRows[], row: number): void {
    const rows = inputs[this.input] as InputRows;
    if (rows.kind !== 'packed') return;
    const at = row * rows.size + this.offset;
    if (Number.isNaN(this.fallback))
      (rows.data as Float64Array)[at] = this.type === 'float16' ? 0x7e00 : Number.NaN;
    else this.element.write(this.fallback, rows.data, at);
  }

  /** What is wrong with a value; undefined when it fits. The message begins with the place of the fault. */
  problemOf(value: unknown): ValueProblem | undefined {
    const shape = this.measure(value);
    const data = allocate(this.type, 1);
    return this.nestedProblem(value, shape, 0, this.name, data);
  }

  /** The JSON value that a CSV field holds: a nested one is spelled in JSON. */
  fromText(field: string): unknown {
    if (this.shape.length === 0) return this.element.fromText(field);
    if (isNestedTooDeep(field)) return field;
    try {
      return JSON.parse(field);
    } catch {
      return field;
    }
  }

  /** The sizes of a value, open ones as they are in its first elements; at most as many values as may be. */
  private measure(value: unknown): number[] {
    if (this.size !== undefined) return this.shape as number[];
    let at = value;
    let size = 1;
    return this.shape.map((dimension) => {
      const length = dimension ?? (Array.isArray(at) ? at.length : 0);
      at = Array.isArray(at) ? at[0] : undefined;
      size *= length;
      return size > OPEN_SIZE_MAX ? 0 : length;
    });
  }

  /** @returns the position after the last value written; undefined when something does not fit */
  private writeNested(
    value: unknown,
    shape: readonly Dimension[],
    depth: number,
    data: TensorData,
    at: number,
  ): number | undefined {
    if (depth === shape.length) return this.element.write(value, data, at) ? at + 1 : undefined;
    if (!Array.isArray(value) || value.length !== shape[depth] || value.length === 0) return undefined;
    let next: number | undefined = at;
    for (let index = 0; index < value.length && next !== undefined; index++) {
      next = this.writeNested(value[index], shape, depth + 1, data, next);
    }
    return next;
  }

  private nestedProblem(
    value: unknown,
    shape: readonly number[],
    depth: number,
    place: string,
    data: TensorData,
  ): ValueProblem | undefined {
    if (depth === shape.length) {
      if (this.element.write(value, data, 0)) return undefined;
      const { code, message } = this.element.explain(value);
      return { code, message: `${place}: ${message}` };
    }
    const wanted = this.shape[depth] ?? 'any number of';
    if (!Array.isArray(value)) {
      const code = 'wrong_type';
      return { code, message: `${place}: expected an array of ${wanted} values, got ${describe(value)}` };
    }
    if (value.length > 0 && shape[depth] === 0) {
      const code = 'wrong_length';
      return { code, message: `${this.name}: holds more than ${OPEN_SIZE_MAX} values` };
    }
    if (value.length === 0 || value.length !== shape[depth]) {
      return {
        code: 'wrong_length',
        message: `${place}: ${this.lengthProblem(value.length, shape[depth], depth)}`,
      };
    }
    for (let index = 0; index < value.length; index++) {
      const problem = this.nestedProblem(value[index], shape, depth + 1, `${place}[${index}]`, data);
      if (problem !== undefined) return problem;
    }
    return undefined;
  }

  private lengthProblem(length: number, measured: number | undefined, depth: number): string {
    if (this.shape[depth] !== null) return `expected ${this.shape[depth]} values, got ${length}`;
    if (length === 0) return 'is empty';
    return `expected ${measured} values as in the array before it, got ${length}`;
  }
}
