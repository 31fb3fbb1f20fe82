/**
 * Runs suspect chunks apart from all others: in a process of its own, one chunk at a time, so that neither the worker nor
 * what it does besides comes to harm.
 */
import type { ChunkResult } from '@millrace/batch/results/encode-chunk';
import type { StoredSource } from '@millrace/columnar/rows/decode-stored';
import type { LoadableModel } from '../inference/messages.js';
import { Search, type SearchLimits } from './search.js';
import { SuspectProcess } from './suspect-process.js';

/** Suspects that a worker runs at once; others wait in the queue. */
export const SUSPECTS_AT_ONCE = 1;

/** To find a row among 65,536 takes some twelve processes: enough for a score of rows that end theirs in one chunk. */
const PROCESSES_MAX = 256;
const TOTAL_MIN_MS = 60_000;
const PART_MIN_MS = 1_000;

/** @param chunkMs how long a run of a chunk may take @param openMs how long a model may take to load */
export function searchLimits(chunkMs: number, openMs: number): SearchLimits {
  return {
    rowMs: chunkMs,
    partMs: Math.min(chunkMs, Math.max(PART_MIN_MS, chunkMs / 20)),
    openMs,
    totalMs: Math.max(TOTAL_MIN_MS, chunkMs * 2),
    processes: PROCESSES_MAX,
  };
}

export class Suspects {
  /** What ends each chunk that runs. */
  private readonly running = new Set<AbortController>();
  private readonly ends = new Set<Promise<unknown>>();
  private reserved = 0;

  constructor(private readonly limits: SearchLimits) {}

  /** Takes a place for a chunk; what gives it back again, undefined when all are taken. */
  reserve(): (() => void) | undefined {
    if (this.reserved >= SUSPECTS_AT_ONCE) return undefined;
    this.reserved++;
    return () => this.reserved--;
  }

  /**
   * @param signal ends it at once
   * @throws Error when it was ended, or the chunk cannot even be opened
   */
  async predict(model: LoadableModel, source: StoredSource, signal: AbortSignal): Promise<ChunkResult> {
    const stop = new AbortController();
    this.running.add(stop);
    const ending = AbortSignal.any([stop.signal, signal]);
    let process: SuspectProcess | undefined;
    const aborted = new Promise<never>((_, reject) => {
      const abort = () => reject(new Error('the suspect chunk was ended with its worker'));
      if (ending.aborted) abort();
      else ending.addEventListener('abort', abort, { once: true });
    });
    const start = async () => {
      await process?.end();
      ending.throwIfAborted();
      process = new SuspectProcess();
      return process;
    };
    const searched = new Search(model, source, this.limits, start).run();
    const ended = Promise.race([searched, aborted]).finally(() => process?.end());
    this.ends.add(ended);
    try {
      return await ended;
    } finally {
      this.running.delete(stop);
      this.ends.delete(ended);
    }
  }

  async stop(): Promise<void> {
    for (const each of this.running) each.abort();
    await Promise.allSettled(this.ends);
  }
}
