/** The manifest: what a row of a model must look like, and what a prediction looks like. It is data; no model needs code. */
import { z } from 'zod';

const NAME = z.string().min(1).max(200);

/** One column of the packed input tensor, in order. Bounds are inclusive. */
const Feature = z.strictObject({
  name: NAME,
  /** `float` takes any finite number that fits float32; `int` takes whole numbers that float32 holds exactly. */
  type: z.enum(['float', 'int']),
  min: z.number().optional(),
  max: z.number().optional(),
  unit: z.string().max(50).optional(),
  description: z.string().max(2000).optional(),
});

export const OUTPUT_TYPES = ['float32', 'float64', 'int32', 'int64'] as const;

/** One output tensor: `[rows]` when `width` is absent, `[rows, width]` otherwise. */
const Output = z.strictObject({
  name: NAME,
  type: z.enum(OUTPUT_TYPES),
  width: z.int().min(1).max(100_000).optional(),
  description: z.string().max(2000).optional(),
});

export const Manifest = z
  .strictObject({
    description: z.string().max(2000).optional(),
    /** The input tensor, float32, shape `[rows, features.length]`. */
    input: z.strictObject({ name: NAME }),
    features: z.array(Feature).min(1).max(10_000),
    outputs: z.array(Output).min(1).max(100),
    /** The output that `predictions` lists. */
    primary: NAME,
    /** Rows per run of the session. */
    micro_batch: z.int().min(1).max(65_536).default(1024),
  })
  .superRefine((manifest, context) => {
    for (const list of ['features', 'outputs'] as const) {
      const duplicate = firstDuplicate(manifest[list].map((each) => each.name));
      if (duplicate === undefined) continue;
      context.addIssue({ code: 'custom', path: [list], message: `two ${list} are named "${duplicate}"` });
    }
    if (!manifest.outputs.some((output) => output.name === manifest.primary)) {
      context.addIssue({
        code: 'custom',
        path: ['primary'],
        message: `"${manifest.primary}" is not one of the outputs`,
      });
    }
    manifest.features.forEach((feature, index) => {
      if (feature.min !== undefined && feature.max !== undefined && feature.min > feature.max) {
        context.addIssue({ code: 'custom', path: ['features', index], message: 'min is above max' });
      }
    });
  });
export type Manifest = z.infer<typeof Manifest>;
export type Feature = z.infer<typeof Feature>;
export type Output = z.infer<typeof Output>;

/** Rows with known answers, run when a version is loaded: one that does not reproduce them is not served. */
export const Samples = z.strictObject({
  /** The largest difference allowed between an answer and a float output. */
  tolerance: z.number().min(0).default(1e-5),
  samples: z
    .array(
      z.strictObject({
        row: z.unknown(),
        outputs: z.record(z.string(), z.union([z.number(), z.array(z.number())])),
      }),
    )
    .min(1)
    .max(10_000),
});
export type Samples = z.infer<typeof Samples>;

function firstDuplicate(names: readonly string[]): string | undefined {
  return names.find((name, index) => names.indexOf(name) !== index);
}
