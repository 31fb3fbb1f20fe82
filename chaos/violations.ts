/** What was promised and did not hold. */

export const RULES = [
  /** An acknowledged task does not finish, or a client does not get through, within the bound. */
  'unfinished',
  /** A result differs from that of an undisturbed run, or from itself when it is read again. */
  'result',
  /** Counts that do not sum, shrink, or differ from the rows; a status that moves as it may not. */
  'ledger',
  /** A follower of the cursor sees a row twice, not at all, or out of order. */
  'cursor',
  /** An answer that nobody may get: a 5xx that is no 503, an error that is no problem document, an unknown id. */
  'answer',
  /** A call that is not answered within the bound. */
  'hang',
  /** One idempotency key, two tasks. */
  'key',
  /** Redis holds what it should not hold any more, or lacks what it should have. */
  'store',
] as const;
export type Rule = (typeof RULES)[number];

export interface Violation {
  rule: Rule;
  round: number;
  /** The task's place in the round, or what else it is about. */
  about: string;
  /** The task's id, where it has one. */
  task?: string | undefined;
  detail: string;
}

export class Violations {
  readonly list: Violation[] = [];
  private readonly heard = new Set<string>();

  /** @param hear is told of each at once */
  constructor(private readonly hear: (violation: Violation) => void) {}

  /** What is seen again, poll after poll, is said once. */
  add(violation: Violation): void {
    const { rule, about, detail } = violation;
    const text = JSON.stringify([rule, about, detail]);
    if (this.heard.has(text)) return;
    this.heard.add(text);
    this.list.push(violation);
    this.hear(violation);
  }
}
