/** What came of a run, for a person and for a program. */
import type { CallCounts } from './caller.js';
import type { Violation } from './violations.js';

export interface Report {
  seed: number;
  rounds: number;
  seconds: number;
  /** Faults that struck, by kind. */
  faults: Record<string, number>;
  /** Processes that ended and were started again, by how they ended. */
  restarts: Record<string, number>;
  /** Acknowledged tasks by their last status; `erased` are those that were erased before they were read. */
  tasks: Record<string, number>;
  /** In acknowledged tasks. */
  rows: number;
  calls: CallCounts;
  /** Runs of chunks by workers that had slept past their locks, in which another had come first: they changed nothing. */
  zombieRuns: number;
  /** From the end of a round's last fault until its last task was finished, in ms; absent where no round was finished. */
  recoveryMs?: { p50: number; p99: number; max: number };
  /** Uploads that nobody acknowledged and that have left something. */
  abandonedUploads: number;
  violations: Violation[];
}

/** The smallest value that so large a part of all values does not exceed. */
export function percentile(values: readonly number[], part: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(sorted.length * part) - 1)] ?? 0;
}

export function reportText(report: Report): string {
  const { seed, rounds, recoveryMs, calls, violations } = report;
  const recovery =
    recoveryMs === undefined
      ? 'none'
      : `p50 ${recoveryMs.p50} ms, p99 ${recoveryMs.p99} ms, max ${recoveryMs.max} ms`;
  return [
    `seed ${seed}, ${rounds} rounds in ${report.seconds} s`,
    `faults       ${counts(report.faults)}`,
    `restarts     ${counts(report.restarts)}`,
    `tasks        ${counts(report.tasks)}; ${report.rows} rows`,
    `calls        ${calls.answered} answered, ${calls.unavailable} answered 503, ${calls.lost} lost`,
    `zombie runs  ${report.zombieRuns}`,
    `recovery     ${recovery}`,
    `abandoned    ${report.abandonedUploads} uploads`,
    `violations   ${violations.length}`,
    ...violations.map(violationText),
    ...(violations.length === 0 ? [] : [`again: npm run chaos -- --seed ${seed} --rounds ${rounds}`]),
  ].join('\n');
}

export function violationText({ rule, round, about, task, detail }: Violation): string {
  return `VIOLATION round ${round} ${rule}: ${about}${task === undefined ? '' : ` ${task}`}: ${detail}`;
}

function counts(by: Record<string, number>): string {
  const entries = Object.entries(by).sort(([a], [b]) => a.localeCompare(b));
  return entries.map(([name, count]) => `${name} ${count}`).join(', ') || 'none';
}
