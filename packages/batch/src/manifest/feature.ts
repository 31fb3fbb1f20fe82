/** A feature: one named value of a row, of which type and within which bounds. */
import { z } from 'zod';
import { strict } from './strict.js';

export const NAME = z.string().min(1).max(1000);

const NAMED = { name: NAME.describe('The key of a JSON row and the column of a CSV file.') };
const ABOUT = {
  description: z.string().max(2000).optional().describe('For people who read the documents.'),
  unit: z.string().max(50).optional().describe('As it is to be shown, for example cm.'),
};
const BOUNDS = {
  min: z.number().optional().describe('Inclusive.'),
  max: z.number().optional().describe('Inclusive.'),
};

/** What the elements of a vector or a tensor are. */
export const ELEMENTS = ['float', 'int', 'bool', 'string'] as const;
const ELEMENT = z.enum(ELEMENTS).default('float').describe('What each of its values is.');

const FEATURES_MAX_LENGTH = 1_000_000;
const DIMENSION = z.int().min(1).max(FEATURES_MAX_LENGTH);

const ABSENT =
  'Stands in for a value that is absent, null, or an empty CSV field. Without it the value is required.';

export const Feature = z.discriminatedUnion('type', [
  strict({
    ...NAMED,
    type: z.literal('float'),
    ...ABOUT,
    ...BOUNDS,
    default: z
      .union([z.number(), z.literal('NaN')])
      .optional()
      .describe(ABSENT),
  }),
  strict({
    ...NAMED,
    type: z.literal('int'),
    ...ABOUT,
    ...BOUNDS,
    default: z.int().optional().describe(ABSENT),
  }),
  strict({ ...NAMED, type: z.literal('bool'), ...ABOUT, default: z.boolean().optional().describe(ABSENT) }),
  strict({
    ...NAMED,
    type: z.literal('string'),
    ...ABOUT,
    max_length: z.int().min(1).optional().describe('In UTF-16 code units.'),
    default: z.string().optional().describe(ABSENT),
  }),
  strict({
    ...NAMED,
    type: z.literal('category'),
    ...ABOUT,
    values: z
      .union(
        [z.array(z.string().regex(/^[^\0]*$/, 'must not hold U+0000')).min(1), z.array(z.number()).min(1)],
        { error: 'must be a list of strings or a list of numbers' },
      )
      .describe(
        'The values allowed. A string tensor is fed the string, a numeric one the number, or the position of the string in this list.',
      ),
    default: z.union([z.string(), z.number()]).optional().describe(ABSENT),
  }),
  strict({
    ...NAMED,
    type: z.literal('vector'),
    ...ABOUT,
    ...BOUNDS,
    length: DIMENSION.describe('How many values.'),
    element: ELEMENT,
  }),
  strict({
    ...NAMED,
    type: z.literal('tensor'),
    ...ABOUT,
    ...BOUNDS,
    shape: z
      .array(DIMENSION.nullable())
      .min(1)
      .max(8)
      .describe('Of one row. null stands for any size, which may differ from row to row.'),
    element: ELEMENT,
  }),
]);
export type Feature = z.infer<typeof Feature>;

/** Sizes of one row's value, outermost first; empty for a single value, null where any size goes. */
export function shapeOf(feature: Feature): readonly (number | null)[] {
  switch (feature.type) {
    case 'vector':
      return [feature.length];
    case 'tensor':
      return feature.shape;
    default:
      return [];
  }
}

/** Values of one row in a shape; undefined where a size is open. */
export function sizeOf(shape: readonly (number | null)[]): number | undefined {
  return shape.reduce<number | undefined>(
    (size, each) => (size === undefined || each === null ? undefined : size * each),
    1,
  );
}
