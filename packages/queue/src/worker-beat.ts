/** What a live worker says of itself in the catalogue: written by `catalog-publisher.ts`, read by `catalog.ts`. */
import { ModelAliases, Refusal } from '@millrace/batch/model';
import { z } from 'zod';

export const WorkerBeat = z.object({
  id: z.string(),
  pins: z.array(z.string()),
  refused: z.array(Refusal),
  aliases: z.record(z.string(), ModelAliases),
  is_complete: z.boolean().default(true),
  /** Inference threads; a worker of an earlier release does not say. */
  threads: z.int().min(1).default(1),
});
export type WorkerBeat = z.infer<typeof WorkerBeat>;
