/**
 * The manifest: what a row of a model must look like, and what a prediction looks like. It is data; no model needs code.
 * `ManifestFile` is what model.json may hold: everything that the graph says by itself can be left out. `Manifest` is the
 * same with nothing left out; `complete.ts` makes the one from the other.
 */
import { z } from 'zod';
import { ELEMENT_TYPE_NAMES } from './element-types.js';
import { Feature, NAME } from './feature.js';
import { strict } from './strict.js';

const TEXT = z.string().max(2000);
const ELEMENT_TYPE = z.enum(ELEMENT_TYPE_NAMES).describe('The element type of the tensor.');
const SHAPE = z
  .array(z.int().min(0).nullable())
  .max(8)
  .describe('The sizes of one row, without the batch dimension; null where any size goes.');

const INPUT = {
  name: NAME.describe('The name of the input tensor in the graph.'),
  type: ELEMENT_TYPE,
  shape: SHAPE,
  features: z.array(NAME).min(1).describe('The features that are packed into this tensor, in order.'),
};

const OUTPUT = {
  name: NAME.describe('The name of the output tensor in the graph.'),
  type: ELEMENT_TYPE,
  shape: SHAPE,
  description: TEXT.optional(),
  classes: z
    .array(z.string())
    .min(1)
    .max(100_000)
    .optional()
    .describe(
      'Names of classes. A whole number is printed as the name at its position, a vector as an object by name.',
    ),
  top_k: z
    .int()
    .min(1)
    .optional()
    .describe('Print only the k highest values of a vector, as a list of {"class", "score"}, highest first.'),
  decimals: z
    .int()
    .min(0)
    .max(15)
    .optional()
    .describe('Round floats to so many decimals when they are printed.'),
  int64: z
    .enum(['auto', 'string', 'number'])
    .optional()
    .describe('Print 64-bit integers as numbers, as strings, or (auto) as strings only beyond 2^53 - 1.'),
  non_finite: z
    .enum(['error', 'string'])
    .optional()
    .describe(
      'What NaN and the infinities are: an error of their row, or the strings "NaN", "Infinity", "-Infinity".',
    ),
};

/** The name of a group of workers. */
export const PoolName = z
  .string()
  .regex(/^[a-z][a-z0-9_-]{0,30}$/, 'must be lower-case letters, digits, - and _')
  .default('default');

export const MICRO_BATCH_MAX = 65_536;
const LIMITS = {
  micro_batch: z.int().min(1).max(MICRO_BATCH_MAX).describe('Rows per run of the session.'),
  fixed_batch: z
    .int()
    .min(1)
    .max(MICRO_BATCH_MAX)
    .optional()
    .describe('The batch dimension of a graph that takes just one; it is run in steps of that many rows.'),
  max_rows: z.int().min(1).optional().describe('The most rows one task may have.'),
  pool: PoolName.describe('The group of workers that runs this model.'),
};

/** Which predictions are kept; `packages/queue/src/prediction-cache.ts` says where and how. */
export const CacheLimits = strict({
  rows: z.int().min(2).max(10_000_000).describe('The most rows whose predictions are kept.'),
  ttl_seconds: z
    .int()
    .min(1)
    .max(366 * 86_400)
    .default(86_400)
    .describe('How long a prediction is kept at the most.'),
}).describe('Keeps predictions, so that equal rows are predicted once. Left out, every row is predicted.');
export type CacheLimits = z.infer<typeof CacheLimits>;

const Input = strict(INPUT);
export type Input = z.infer<typeof Input>;
const Output = strict(OUTPUT);
export type Output = z.infer<typeof Output>;

const DEFAULT_OUTPUTS = z
  .array(NAME)
  .min(1)
  .describe('When given, a prediction is an object with these outputs instead of the primary output alone.');

const FeatureList = z.array(Feature).min(1).max(10_000).superRefine(uniqueNames('features'));

export const ManifestFile = strict({
  $schema: z.string().optional().describe('The JSON Schema of this file, for editors.'),
  description: TEXT.optional(),
  features: FeatureList.optional().describe('The values of a row, in order.'),
  inputs: z
    .array(
      strict({
        name: INPUT.name,
        type: INPUT.type.optional(),
        shape: INPUT.shape.optional(),
        features: INPUT.features.optional(),
      }),
    )
    .superRefine(uniqueNames('inputs'))
    .optional()
    .describe(
      'Which features feed which input tensor. Left out, a single tensor takes all of them, and of several each takes the feature of its own name.',
    ),
  outputs: z
    .array(strict({ ...OUTPUT, type: OUTPUT.type.optional(), shape: OUTPUT.shape.optional() }))
    .min(1)
    .superRefine(uniqueNames('outputs'))
    .optional()
    .describe('The outputs that are computed; left out, all of the graph.'),
  primary: NAME.optional().describe('The output that `predictions` lists; left out, the first.'),
  default_outputs: DEFAULT_OUTPUTS.optional(),
  limits: strict({ ...LIMITS, micro_batch: LIMITS.micro_batch.optional() }).optional(),
  cache: CacheLimits.optional(),
}).superRefine((file, context) => {
  (file.features ?? []).forEach((feature, index) => {
    for (const message of featureProblems(feature)) {
      context.addIssue({ code: 'custom', path: ['features', index], message });
    }
  });
});
export type ManifestFile = z.infer<typeof ManifestFile>;

export const Manifest = strict({
  description: TEXT.optional(),
  features: FeatureList,
  inputs: z.array(Input).min(1),
  outputs: z.array(Output).min(1),
  primary: NAME,
  default_outputs: DEFAULT_OUTPUTS.optional(),
  limits: strict(LIMITS),
  cache: CacheLimits.optional(),
});
export type Manifest = z.infer<typeof Manifest>;

function featureProblems(feature: Feature): string[] {
  const problems: string[] = [];
  if (
    'min' in feature &&
    feature.min !== undefined &&
    feature.max !== undefined &&
    feature.min > feature.max
  ) {
    problems.push('min is above max');
  }
  const isBounded = 'min' in feature && (feature.min !== undefined || feature.max !== undefined);
  if (isBounded && 'element' in feature && feature.element !== 'float' && feature.element !== 'int') {
    problems.push(`min and max are for numbers, its values are ${feature.element}`);
  }
  if (feature.type === 'category' && new Set<unknown>(feature.values).size < feature.values.length) {
    problems.push('two of its values are the same');
  }
  return problems;
}

function uniqueNames(list: string) {
  return (entries: readonly { name: string }[], context: z.RefinementCtx): void => {
    const seen = new Set<string>();
    for (const { name } of entries) {
      if (seen.has(name)) context.addIssue({ code: 'custom', message: `two ${list} are named "${name}"` });
      seen.add(name);
    }
  };
}
