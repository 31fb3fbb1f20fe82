/** Which statuses a task has and which moves between them are allowed. The store's scripts are generated from this table. */

export const MOVES = {
  receiving: ['pending', 'running', 'succeeded', 'partially_succeeded', 'failed', 'cancelled', 'expired'],
  pending: ['running', 'succeeded', 'partially_succeeded', 'failed', 'cancelled', 'expired'],
  running: ['succeeded', 'partially_succeeded', 'failed', 'cancelled', 'expired'],
  succeeded: [],
  partially_succeeded: [],
  failed: [],
  cancelled: [],
  expired: [],
} as const satisfies Record<string, readonly string[]>;

export type TaskStatus = keyof typeof MOVES;

export const STATUSES = Object.keys(MOVES) as TaskStatus[];

/** A finished task never moves again. */
export function isTerminal(status: TaskStatus): boolean {
  return MOVES[status].length === 0;
}
