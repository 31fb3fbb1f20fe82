/** Rows that a model may be tried with when nobody has given one. */
import type { ElementRule } from '../rows/element-codec.js';
import { OPEN_SIZE_MAX } from '../rows/feature-codec.js';
import { type Feature, shapeOf } from './feature.js';
import type { Manifest } from './manifest.js';

/** Sizes tried for open dimensions: of a sequence, of an image. */
const OPEN_SIZES = [1, 8, 32, 224];

/** Ones before zeros: a logarithm or a mean over a mask has no number for nothing. */
const FILLS = [1, 0, 0.5];

/** Rows within the bounds of every feature, the likeliest to be digested by a graph first. */
export function exampleRows({ features }: Pick<Manifest, 'features'>): Record<string, unknown>[] {
  const open = features.map(shapeOf).filter((shape) => shape.includes(null));
  const isHeld = (size: number) =>
    open.every(
      (shape) => shape.reduce<number>((values, each) => values * (each ?? size), 1) <= OPEN_SIZE_MAX,
    );
  const sizes = open.length > 0 ? OPEN_SIZES.filter(isHeld) : [1];
  return sizes.flatMap((size) =>
    FILLS.map((fill) =>
      Object.fromEntries(features.map((feature) => [feature.name, exampleOf(feature, fill, size)])),
    ),
  );
}

function exampleOf(feature: Feature, fill: number, openSize: number): unknown {
  const rule: ElementRule = 'element' in feature ? { ...feature, type: feature.element } : feature;
  const element = elementOf(rule, fill);
  return shapeOf(feature).reduceRight<unknown>(
    (value, size) => Array.from({ length: size ?? openSize }, () => value),
    element,
  );
}

function elementOf({ type, min, max, max_length: maxLength, values }: ElementRule, fill: number): unknown {
  switch (type) {
    case 'float':
      return Math.min(Math.max(fill, min ?? fill), max ?? Number.POSITIVE_INFINITY);
    case 'int': {
      const whole = Math.min(
        Math.max(Math.ceil(fill), Math.ceil(min ?? fill)),
        Math.floor(max ?? Number.POSITIVE_INFINITY),
      );
      return Number.isSafeInteger(whole) ? whole : String(BigInt(whole));
    }
    case 'bool':
      return fill === 1;
    case 'string':
      return fill === 1 ? 'text'.slice(0, maxLength) : '';
    case 'category':
      return values?.[fill] ?? values?.[0];
  }
}
