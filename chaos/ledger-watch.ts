/** The ledger watch is responsible for one task as its client sees it, poll by poll: what may never be seen. */
import { type Ledger, OUTCOMES } from '@millrace/batch/ledger';
import { MOVES, type TaskStatus } from '@millrace/batch/status';

/** What a poll says of a task. */
export interface TaskView {
  task_id: string;
  status: TaskStatus;
  rows: Ledger;
}

/** Once a row is counted under one of these, it stays so. */
const FINAL_OUTCOMES = OUTCOMES.filter((outcome) => outcome !== 'pending' && outcome !== 'running');

export class LedgerWatch {
  private last: TaskView | undefined;

  /** What is wrong with the next view, given those before; empty when nothing is. */
  see(view: TaskView): string[] {
    const { last } = this;
    this.last = view;
    const sum = OUTCOMES.reduce((total, outcome) => total + view.rows[outcome], 0);
    const problems = sum === view.rows.total ? [] : ['it does not sum to its total'];
    if (last !== undefined) problems.push(...stepProblems(last, view));
    return problems.map((problem) => `${problem}: ${text(view)}${last ? ` after ${text(last)}` : ''}`);
  }
}

function stepProblems(from: TaskView, to: TaskView): string[] {
  const moves: readonly TaskStatus[] = MOVES[from.status];
  const shrunk = [...FINAL_OUTCOMES, 'total' as const].filter((name) => to.rows[name] < from.rows[name]);
  return [
    ...(from.status === to.status || moves.includes(to.status) ? [] : ['the status may not move so']),
    ...shrunk.map((name) => `"${name}" shrinks`),
  ];
}

function text({ status, rows }: TaskView): string {
  return `${status} ${JSON.stringify(rows)}`;
}
