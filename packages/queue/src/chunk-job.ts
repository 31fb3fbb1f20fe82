/** The job of one chunk: what it carries, when it is its turn, how often it is tried. */
import type { JobsOptions } from 'bullmq';
import { z } from 'zod';

/** Ids only; the bytes are in the task store. */
export const ChunkJob = z.strictObject({
  task: z.string(),
  chunk: z.int().min(0),
  /** A run of it has exceeded its time limit: it is run apart from others from now on. */
  suspect: z.literal(true).optional(),
});
export type ChunkJob = z.infer<typeof ChunkJob>;

/** Runs that end in an error before the chunk's rows are given up. */
export const ATTEMPTS = 3;
/** Workers that were lost over a chunk before it is suspected of killing them. Operators kill workers, too: it is only run apart from others then. */
export const STALLS_SUSPECT = 2;
/** Workers that were lost over a chunk before its rows are given up: even apart it takes its worker with it. */
export const STALLS_MAX = 10;

const PRIORITY_MAX = 2_097_151;
const DAY_SECONDS = 86_400;

/**
 * A task's first chunk goes before every other task's second: small tasks pass by large ones, large ones share evenly.
 * The priority is always set, since BullMQ runs a job without one before all that have one.
 */
export function chunkJobOptions(job: ChunkJob): JobsOptions {
  return {
    jobId: chunkJobId(job),
    priority: Math.min(job.chunk + 1, PRIORITY_MAX),
    attempts: ATTEMPTS,
    backoff: { type: 'exponential', delay: 500 },
    removeOnComplete: true,
    removeOnFail: { age: DAY_SECONDS, count: 1_000 },
  };
}

/** The same for the same chunk, so that it is in the queue once. */
export function chunkJobId({ task, chunk }: Pick<ChunkJob, 'task' | 'chunk'>): string {
  return `${task}.${chunk}`;
}

export function chunkOfJobId(id: string): Pick<ChunkJob, 'task' | 'chunk'> | undefined {
  const at = id.lastIndexOf('.');
  const chunk = Number(id.slice(at + 1));
  return at > 0 && Number.isSafeInteger(chunk) ? { task: id.slice(0, at), chunk } : undefined;
}
