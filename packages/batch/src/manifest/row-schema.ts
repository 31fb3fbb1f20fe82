/**
 * What a JSON row of a model may be, and what a prediction for it looks like, as zod schemas: documents are made of them.
 * Rows themselves are read by `RowReader`, which is faster and accepts the same; a test holds the two together.
 */
import { z } from 'zod';
import { type ElementRule, WHOLE_NUMBER_TEXT } from '../rows/element-codec.js';
import { OPEN_SIZE_MAX } from '../rows/feature-codec.js';
import { ID_KEY, ID_MAX_LENGTH } from '../rows/row-reader.js';
import { ELEMENT_TYPES, type ElementType, type NumberType } from './element-types.js';
import { type Feature, shapeOf } from './feature.js';
import type { Dimension } from './graph.js';
import type { Manifest, Output } from './manifest.js';

const ROW_ID = z
  .union([
    z.string().max(ID_MAX_LENGTH),
    z.number().min(Number.MIN_SAFE_INTEGER).max(Number.MAX_SAFE_INTEGER),
  ])
  .nullish()
  .describe('Your own name for the row; it comes back with its result.');
const TEXT = z.string().regex(/^[^\0]*$/, 'must not hold U+0000');
/** Longer lists of classes would drown a document; their names are any string there. */
const CLASSES_LISTED_MAX = 200;

/** An object by feature name, an array in feature order, or the bare value of a model with one feature. */
export function rowSchema({ features, inputs }: Pick<Manifest, 'features' | 'inputs'>): z.ZodType {
  const types = new Map(inputs.flatMap((input) => input.features.map((name) => [name, input.type])));
  const members = features.map((feature) => {
    const value = featureSchema(feature, types.get(feature.name) ?? 'float32');
    return { name: feature.name, value, isOptional: 'default' in feature && feature.default !== undefined };
  });
  const shape = new Map<string, z.ZodType>([[ID_KEY, ROW_ID]]);
  for (const { name, value, isOptional } of members) shape.set(name, isOptional ? value.optional() : value);
  const byName = z.strictObject(Object.fromEntries(shape)).describe('By feature name.');
  const [first, ...others] = members.map(({ value }) => value);
  if (first === undefined) return byName;
  const inOrder = z.tuple([first, ...others]).describe('In feature order.');
  return z.union(others.length === 0 ? [byName, inOrder, first] : [byName, inOrder]);
}

function featureSchema(feature: Feature, type: ElementType): z.ZodType {
  const rule: ElementRule = 'element' in feature ? { ...feature, type: feature.element } : feature;
  const value = nestedSchema(elementSchema(rule, type), shapeOf(feature));
  const { description, unit } = feature;
  const text = [description, unit === undefined ? undefined : `In ${unit}.`].filter(
    (each) => each !== undefined,
  );
  const fallback = 'default' in feature ? feature.default : undefined;
  if (fallback === 'NaN') text.push('Not a number when absent.');
  const about = {
    ...(text.length === 0 ? {} : { description: text.join(' ') }),
    ...(unit === undefined ? {} : { 'x-unit': unit }),
    ...(fallback === undefined || fallback === 'NaN' ? {} : { default: fallback }),
  };
  return (fallback === undefined ? value : value.nullable()).meta(about);
}

function elementSchema(rule: ElementRule, type: ElementType): z.ZodType {
  switch (rule.type) {
    case 'bool':
      return z.boolean();
    case 'string':
      return rule.max_length === undefined ? TEXT : TEXT.max(rule.max_length);
    case 'category':
      return z.literal([...(rule.values ?? [])]);
    case 'float':
    case 'int':
      return ELEMENT_TYPES[type].kind === 'bigint' ? bigIntSchema(rule, type) : numberSchema(rule, type);
  }
}

function numberSchema(rule: ElementRule, type: ElementType): z.ZodType {
  const held = ELEMENT_TYPES[type] as NumberType;
  const isWhole = rule.type === 'int';
  const [min, max] = isWhole ? [held.exactMin, held.exactMax] : [held.min, held.max];
  const number = z
    .number()
    .min(Math.max(rule.min ?? min, min))
    .max(Math.min(rule.max ?? max, max));
  return isWhole
    ? number.refine(Number.isInteger, 'must be a whole number').meta({ type: 'integer' })
    : number;
}

/** 64-bit integers: a number as far as JSON numbers are exact, a string of digits beyond. */
function bigIntSchema(rule: ElementRule, type: ElementType): z.ZodType {
  const held = ELEMENT_TYPES[type] as { min: bigint; max: bigint };
  const statedMin = rule.min === undefined ? held.min : BigInt(Math.ceil(rule.min));
  const statedMax = rule.max === undefined ? held.max : BigInt(Math.floor(rule.max));
  const min = statedMin > held.min ? statedMin : held.min;
  const max = statedMax < held.max ? statedMax : held.max;
  const isWithin = (text: string): boolean => {
    const whole = WHOLE_NUMBER_TEXT.test(text) ? BigInt(text.replace('+', '')) : undefined;
    return whole !== undefined && whole >= min && whole <= max;
  };
  return z.union([
    z.int().min(Number(min)).max(Number(max)),
    z.string().regex(WHOLE_NUMBER_TEXT).refine(isWithin, `must be from ${min} to ${max}`),
  ]);
}

/** @param shape of one row, outermost first; null where any size from 1 goes */
function nestedSchema(element: z.ZodType, shape: readonly Dimension[]): z.ZodType {
  const nested = arraysOf(element, shape, 1);
  return shape.includes(null)
    ? nested.refine((value) => isTensor(value, shape.length), 'arrays side by side must be of one length')
    : nested;
}

/** @param openMin the least length where any goes */
function arraysOf(element: z.ZodType, shape: readonly Dimension[], openMin: number): z.ZodType {
  return shape.reduceRight<z.ZodType>(
    (inner, size) => (size === null ? z.array(inner).min(openMin) : z.array(inner).length(size)),
    element,
  );
}

/** True for arrays that are all as long as the first at their depth, and not too many values together. */
function isTensor(value: unknown, depths: number): boolean {
  const sizes: number[] = [];
  for (let at = value; sizes.length < depths; at = Array.isArray(at) ? at[0] : undefined) {
    sizes.push(Array.isArray(at) ? at.length : 0);
  }
  const fits = (each: unknown, depth: number): boolean =>
    depth === depths ||
    (Array.isArray(each) && each.length === sizes[depth] && each.every((inner) => fits(inner, depth + 1)));
  return sizes.reduce((product, size) => product * size, 1) <= OPEN_SIZE_MAX && fits(value, 0);
}

/** @param shown as in the `outputs` parameter of a result */
export function predictionSchema(
  { outputs, primary, default_outputs: names }: Pick<Manifest, 'outputs' | 'primary' | 'default_outputs'>,
  shown: 'default' | 'primary' | 'all',
): z.ZodType {
  const only = outputs.find(({ name }) => name === primary);
  if (only !== undefined && (shown === 'primary' || (shown === 'default' && names === undefined))) {
    return outputSchema(only);
  }
  const listed = outputs.filter(({ name }) => shown === 'all' || names?.includes(name));
  return z.strictObject(Object.fromEntries(listed.map((output) => [output.name, outputSchema(output)])));
}

function outputSchema(output: Output): z.ZodType {
  const schema = printedSchema(output);
  return output.description === undefined ? schema : schema.describe(output.description);
}

function printedSchema({ shape, classes, top_k: topK, ...output }: Output): z.ZodType {
  const value = valueSchema(output);
  const [length, ...deeper] = shape;
  if (length === undefined) return classes === undefined ? value : z.union([classSchema(classes), value]);
  if (deeper.length > 0) return arraysOf(value, shape, 0);
  if (topK !== undefined) {
    // A place beyond the names is printed as its number.
    const name = classes === undefined ? z.int().min(0) : z.union([classSchema(classes), z.int().min(0)]);
    const most = Math.min(topK, length ?? topK);
    return z
      .array(z.strictObject({ class: name, score: value }))
      .max(most)
      .describe('The highest first.');
  }
  if (classes === undefined) return arraysOf(value, shape, 0);
  return length === null || classes.length > CLASSES_LISTED_MAX
    ? z.record(z.string(), value)
    : z.strictObject(Object.fromEntries(classes.map((name) => [name, value])));
}

function classSchema(classes: readonly string[]): z.ZodType {
  return classes.length > CLASSES_LISTED_MAX ? z.string() : z.literal([...new Set(classes)]);
}

function valueSchema({
  type,
  int64,
  non_finite: nonFinite,
}: Pick<Output, 'type' | 'int64' | 'non_finite'>): z.ZodType {
  const held = ELEMENT_TYPES[type];
  switch (held.kind) {
    case 'string':
      return z.string();
    case 'bool':
      return z.boolean();
    case 'int':
      return z.int().min(held.min).max(held.max);
    case 'float':
      return nonFinite === 'string'
        ? z.union([z.number(), z.enum(['NaN', 'Infinity', '-Infinity'])])
        : z.number();
    case 'bigint': {
      const text = z.string().regex(/^-?\d+$/);
      if (int64 === 'string') return text;
      // A number that is forced may lie beyond what JavaScript holds exactly.
      if (int64 === 'number') return z.number().meta({ type: 'integer' });
      return z.union([z.int(), text]).describe('A string beyond 2^53 - 1.');
    }
  }
}
