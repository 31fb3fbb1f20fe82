/** Gathers what the prediction cache is to keep of a chunk, in portions that one script may take. */

import { packedLength, packValues } from '@millrace/queue/packed-values';
import type { CacheEntries } from '@millrace/queue/prediction-cache';
import { keyBytes } from './row-keys.js';

/** Of the outputs of one row. It holds an embedding of 1,024 floats; what is larger is no small part of what Redis has. */
const VALUE_BYTES_MAX = 4_096;
const PORTION_ROWS = 1_024;
const PORTION_BYTES = 1_048_576;
/** Of one chunk: results wait in memory until the cache has taken them. */
const CHUNK_BYTES = 8 * PORTION_BYTES;

export class LearnedRows {
  private readonly portions: CacheEntries[] = [];
  private keys: string[] = [];
  private values: Uint8Array[] = [];
  private portionBytes = 0;
  private bytes = 0;

  /** @param value copied */
  add(key: string, value: Uint8Array): void {
    const length = packedLength(value);
    if (value.length > VALUE_BYTES_MAX || this.bytes + length > CHUNK_BYTES) return;
    if (this.keys.length === PORTION_ROWS || this.portionBytes + length > PORTION_BYTES) this.close();
    this.keys.push(key);
    this.values.push(Uint8Array.from(value));
    this.portionBytes += length;
    this.bytes += length;
  }

  finish(): CacheEntries[] {
    if (this.keys.length > 0) this.close();
    return this.portions;
  }

  private close(): void {
    this.portions.push({ keys: keyBytes(this.keys), values: packValues(this.values) });
    this.keys = [];
    this.values = [];
    this.portionBytes = 0;
  }
}
