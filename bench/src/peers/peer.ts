/** What is compared: a service that takes rows over HTTP and predicts them. */
import type { PredictionCheck } from '../prediction-check.js';
import type { Sample } from '../report.js';
import type { ProcessIds } from '../usage/usage-meter.js';

/** What came of one request. */
export interface Delivery {
  /** Reads what was delivered, after the clock has stopped. @throws DifferenceError */
  check(check: PredictionCheck): void | Promise<void>;
  /** How often was looked for the result, where there is nothing but looking. */
  polls?: number;
}

export interface Peer {
  readonly name: string;
  readonly ids: ProcessIds;
  readonly versions: Record<string, string>;
  readonly settings: Record<string, string>;
  /**
   * Submits one request and waits for its whole result.
   * @param body `{"inputs": [[…], …]}`
   * @throws Error when it does not come to a result
   */
  predict(body: Uint8Array): Promise<Delivery>;
  /** Begins to measure what it stores; absent where it is not known. */
  measureStore?(): Promise<{ stop(): Promise<NonNullable<Sample['redis']>> }>;
  /** Erases what the last runs have left, so that every run begins alike. */
  forget?(): Promise<void>;
  stop(): Promise<void>;
}
