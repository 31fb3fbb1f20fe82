/** A task's row counts by outcome. They sum to `total` at every poll. */
import type { TaskStatus } from './status.js';

export const OUTCOMES = [
  'pending',
  'running',
  'succeeded',
  'invalid',
  'failed',
  'cancelled',
  'expired',
] as const;
export type Outcome = (typeof OUTCOMES)[number];

export type Ledger = Readonly<Record<Outcome | 'total', number>>;

/** The status of a task whose rows all have an outcome. */
export function finalStatus(ledger: Ledger): TaskStatus {
  if (ledger.succeeded === ledger.total) return 'succeeded';
  if (ledger.cancelled > 0) return 'cancelled';
  if (ledger.expired > 0) return 'expired';
  return ledger.succeeded > 0 ? 'partially_succeeded' : 'failed';
}
