/** Reads rows into the input tensors of a model, and says what is wrong with the ones that do not fit. */
import { didYouMean } from '../did-you-mean.js';
import type { RowCode, RowId } from '../errors.js';
import { shapeOf, sizeOf } from '../manifest/feature.js';
import type { Manifest } from '../manifest/manifest.js';
import { describe, shorten } from './describe.js';
import { FeatureCodec } from './feature-codec.js';
import { emptyRows, type InputRows } from './input-rows.js';

/** Why a row was not read. `feature` is the first one at fault, where there is one. */
export interface RowProblem {
  code: RowCode;
  message: string;
  feature?: string;
}

/** The key under which an object row, or the column under which a CSV row, carries the client's own name for it. */
export const ID_KEY = 'id';
/** In UTF-16 units. */
export const ID_MAX_LENGTH = 256;
const PROBLEMS_SHOWN = 5;

/** What a CSV column holds: the feature of this index, one value of a vector feature, or the id. */
export type CsvColumn = number | [feature: number, element: number] | typeof ID_KEY;

export class RowReader {
  /** In the order of the manifest. */
  readonly features: readonly FeatureCodec[];
  /** A feature of that name takes the place of the client's own names. */
  private readonly hasIdFeature: boolean;
  private readonly names: ReadonlySet<string>;
  private readonly manifest: Manifest;

  constructor(manifest: Manifest) {
    this.manifest = manifest;
    this.features = codecsOf(manifest);
    this.names = new Set(this.features.map((feature) => feature.name));
    this.hasIdFeature = this.names.has(ID_KEY);
  }

  /** False for rows of which some may be longer than others. */
  get hasLayout(): boolean {
    return this.features.every(({ size }) => size !== undefined);
  }

  /** Room for so many rows, one entry per input tensor. */
  allocate(rows: number): InputRows[] {
    return this.manifest.inputs.map((input) => emptyRows(input, rows));
  }

  /**
   * Writes a parsed JSON row (an object by feature name, an array in feature order, or the bare value of a model with
   * one feature) to row `index` of the inputs. When it returns a problem, what it wrote there has no meaning.
   */
  read(row: unknown, inputs: readonly InputRows[], index: number): RowProblem | undefined {
    if (typeof row === 'object' && row !== null && !Array.isArray(row)) {
      return this.readObject(row as Record<string, unknown>, inputs, index);
    }
    const [only] = this.features;
    if (this.features.length === 1 && only !== undefined) return this.readBare(row, only, inputs, index);
    if (Array.isArray(row)) return this.readArray(row, inputs, index);
    return {
      code: 'wrong_row_type',
      message: `expected an object or an array of ${this.features.length} values, got ${describe(row)}`,
    };
  }

  /** Reads the fields of a CSV record; `columns[i]` is what field i holds. */
  readFields(
    fields: readonly string[],
    columns: readonly CsvColumn[],
    inputs: readonly InputRows[],
    index: number,
  ): RowProblem | undefined {
    if (fields.length !== columns.length) {
      return { code: 'wrong_length', message: `expected ${columns.length} fields, got ${fields.length}` };
    }
    const values: unknown[] = new Array(this.features.length);
    columns.forEach((column, at) => {
      const field = fields[at] as string;
      if (typeof column === 'number')
        values[column] = fieldValue(field, this.features[column] as FeatureCodec);
      else if (column !== ID_KEY) {
        const [feature, element] = column;
        const codec = this.features[feature] as FeatureCodec;
        values[feature] ??= new Array(codec.shape[0] as number);
        const isEmpty = field.trim() === '' && !takesEmptyText(codec);
        if (!isEmpty) (values[feature] as unknown[])[element] = codec.element.fromText(field);
      }
    });
    return this.readArray(values, inputs, index);
  }

  /** The client's own name for a row; `undefined` when it has none. */
  idOf(row: unknown): RowId | undefined | RowProblem {
    if (typeof row !== 'object' || row === null || Array.isArray(row)) return undefined;
    return this.checkId((row as Record<string, unknown>)[ID_KEY]);
  }

  /** The same of what stands under the key or the column of ids. */
  checkId(id: unknown): RowId | undefined | RowProblem {
    if (this.hasIdFeature || id === undefined || id === null) return undefined;
    if (typeof id === 'string' && id.length <= ID_MAX_LENGTH) return id;
    // Beyond that the number is no longer the one that was sent.
    if (typeof id === 'number' && Math.abs(id) <= Number.MAX_SAFE_INTEGER) return id;
    return {
      code: 'invalid_id',
      message: `id must be a string of at most ${ID_MAX_LENGTH} characters or a number up to 2^53 - 1, got ${describe(id)}`,
    };
  }

  /** What is wrong with the rules themselves: bounds that nothing is within, defaults that do not fit. */
  ruleProblems(): string[] {
    return this.features.flatMap((feature) => {
      const { fallback } = feature;
      if (feature.element.isUnsatisfiable)
        return [`${feature.name}: no value that the tensor holds is within its bounds`];
      const problem =
        fallback === undefined || Number.isNaN(fallback) ? undefined : feature.problemOf(fallback);
      return problem === undefined ? [] : [`the default of ${problem.message}`];
    });
  }

  private readObject(
    row: Record<string, unknown>,
    inputs: readonly InputRows[],
    index: number,
  ): RowProblem | undefined {
    const { features } = this;
    let absent = 0;
    for (let at = 0; at < features.length; at++) {
      const feature = features[at] as FeatureCodec;
      const value = row[feature.name];
      if (feature.write(value, inputs, index)) continue;
      if (!isAbsent(row, feature.name) || feature.fallback === undefined) return this.explainObject(row);
      feature.writeFallback(inputs, index);
      if (!Object.hasOwn(row, feature.name)) absent++;
    }
    const keys = Object.keys(row).length;
    const idKeys = !this.hasIdFeature && Object.hasOwn(row, ID_KEY) ? 1 : 0;
    return keys === features.length - absent + idKeys ? undefined : this.explainObject(row);
  }

  private readArray(
    row: readonly unknown[],
    inputs: readonly InputRows[],
    index: number,
  ): RowProblem | undefined {
    const { features } = this;
    if (row.length !== features.length) {
      return { code: 'wrong_length', message: `expected ${features.length} values, got ${row.length}` };
    }
    for (let at = 0; at < features.length; at++) {
      const feature = features[at] as FeatureCodec;
      if (feature.write(row[at], inputs, index)) continue;
      if (!isNothing(row[at]) || feature.fallback === undefined) {
        return combine(features.map((each, place) => problemOf(row[place], each)));
      }
      feature.writeFallback(inputs, index);
    }
    return undefined;
  }

  /** The value of the one feature, bare or as the only one of an array in feature order. */
  private readBare(
    row: unknown,
    feature: FeatureCodec,
    inputs: readonly InputRows[],
    index: number,
  ): RowProblem | undefined {
    const isNested = feature.shape.length > 0;
    if (!isNested && Array.isArray(row)) return this.readArray(row, inputs, index);
    if (isNested && feature.write(row, inputs, index)) return undefined;
    const isWrapped =
      isNested && Array.isArray(row) && row.length === 1 && depthOf(row) > feature.shape.length;
    return this.readArray(isWrapped ? row : [row], inputs, index);
  }

  private explainObject(row: Record<string, unknown>): RowProblem | undefined {
    const absent = this.features.filter((each) => !Object.hasOwn(row, each.name)).map((each) => each.name);
    const problems = this.features
      .map((each) => problemOf(Object.hasOwn(row, each.name) ? row[each.name] : undefined, each))
      .filter((each) => each !== undefined);
    let more = 0;
    for (const key of Object.keys(row)) {
      if (this.names.has(key) || key === ID_KEY) continue;
      // One that is not shown is only counted: a row may have a million, and hints take long with thousands of features.
      if (problems.length >= PROBLEMS_SHOWN) {
        more++;
        continue;
      }
      problems.push({
        code: 'unknown_feature',
        message: `${shorten(key)}: the model has no such feature${didYouMean(key, absent)}`,
        feature: key,
      });
    }
    return combine(problems, more);
  }
}

/** How deep arrays are nested, by their first elements. */
function depthOf(value: unknown): number {
  let depth = 0;
  for (let at = value; Array.isArray(at); at = at[0]) depth++;
  return depth;
}

/** In the order of the features; each knows the tensor that it feeds and its place there. */
function codecsOf({ features, inputs }: Manifest): FeatureCodec[] {
  const byName = new Map(features.map((feature) => [feature.name, feature]));
  const codecs = new Map<string, FeatureCodec>();
  inputs.forEach((input, index) => {
    let offset = 0;
    for (const name of input.features) {
      const feature = byName.get(name);
      if (feature === undefined) throw new Error(`input "${input.name}" takes an unknown feature "${name}"`);
      codecs.set(name, new FeatureCodec(feature, input.type, index, offset));
      offset += sizeOf(shapeOf(feature)) ?? 0;
    }
  });
  return features.map(({ name }) => {
    const codec = codecs.get(name);
    if (codec === undefined) throw new Error(`feature "${name}" feeds no input`);
    return codec;
  });
}

function fieldValue(field: string, feature: FeatureCodec): unknown {
  // An empty field is an absent value, except where it is a text that says nothing.
  if (field.trim() === '') {
    const isText = feature.shape.length === 0 && takesEmptyText(feature);
    if (!isText || feature.fallback !== undefined) return undefined;
  }
  return feature.fromText(field);
}

function takesEmptyText({ element }: FeatureCodec): boolean {
  return element.write('', [''], 0);
}

function isNothing(value: unknown): boolean {
  return value === undefined || value === null;
}

function isAbsent(row: Record<string, unknown>, name: string): boolean {
  return !Object.hasOwn(row, name) || row[name] === null;
}

function problemOf(value: unknown, feature: FeatureCodec): RowProblem | undefined {
  if (isNothing(value) && feature.fallback !== undefined) return undefined;
  if (value === undefined) {
    return { code: 'missing_feature', message: `${feature.name}: is missing`, feature: feature.name };
  }
  const problem = feature.problemOf(value);
  return problem === undefined ? undefined : { ...problem, feature: feature.name };
}

/**
 * One problem that carries the code of the first and the words of all.
 * @param more problems that are not among them
 */
function combine(problems: readonly (RowProblem | undefined)[], more = 0): RowProblem | undefined {
  const found = problems.filter((each) => each !== undefined);
  const [first] = found;
  if (first === undefined) return undefined;
  const shown = found.slice(0, PROBLEMS_SHOWN).map((each) => each.message);
  const rest = found.length + more - shown.length;
  return { ...first, message: shown.join('; ') + (rest > 0 ? `; and ${rest} more` : '') };
}
