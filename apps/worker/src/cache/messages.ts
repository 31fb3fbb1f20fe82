/** What an inference thread and the main thread say to each other about the prediction cache. */
import type { CacheEntries } from '@millrace/queue/prediction-cache';

/** How the rows of a chunk that could be read came by their predictions. */
export interface CacheCounts {
  /** From the cache. */
  hit: number;
  /** From the model. */
  miss: number;
  /** From an equal row of the chunk. */
  repeat: number;
  /** From the model, for the cache could not be asked. */
  error: number;
}

/** What a thread has to say of a chunk besides its result. */
export interface CacheReport {
  counts: CacheCounts;
  /** Rows that the model has predicted. */
  predicted: number;
  /** Of these, what may be kept: what the model predicted and the cache did not hold. */
  learned: CacheEntries[];
}

/** The answer to the keys of rows: their values, packed, in as many pieces as it took; undefined when there is no telling. */
export type LookReply = Uint8Array[] | undefined;
