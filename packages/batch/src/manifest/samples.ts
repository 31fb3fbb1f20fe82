/** Rows with known answers, run when a version is loaded: one that does not reproduce them is not served. */
import { z } from 'zod';
import { NAME } from './feature.js';
import { record, strict } from './strict.js';

/** A value of an output tensor as it is, without class names: numbers, strings, booleans, and lists of them. */
export type Answer = number | string | boolean | Answer[];
const Answer: z.ZodType<Answer> = z.lazy(() =>
  z.union([z.number(), z.string(), z.boolean(), z.array(Answer)]),
);

export const Samples = strict({
  /** The largest difference allowed between an answer and a float output. */
  tolerance: z.number().min(0).default(1e-5),
  samples: z
    .array(strict({ row: z.unknown(), outputs: record(NAME, Answer) }))
    .min(1)
    .max(10_000),
});
export type Samples = z.infer<typeof Samples>;
