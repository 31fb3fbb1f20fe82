/** Medians, ranges and percentiles. */

export interface Spread {
  median: number;
  low: number;
  high: number;
}

/** @param values at least one */
export function spreadOf(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = (sorted.length - 1) / 2;
  const low = sorted[Math.floor(middle)] as number;
  const high = sorted[Math.ceil(middle)] as number;
  return { median: (low + high) / 2, low: sorted[0] as number, high: sorted.at(-1) as number };
}

/** The smallest value that so large a part of all values does not exceed. @param sorted ascending, at least one */
export function percentile(sorted: ArrayLike<number>, part: number): number {
  return sorted[Math.max(0, Math.ceil(sorted.length * part) - 1)] as number;
}
