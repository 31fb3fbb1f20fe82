/** Finds out by trying which of several settings is the fastest. */

/**
 * All are tried in turns, so that what drifts on the machine hits all of them alike; of each the quickest turn counts,
 * because others only ever make one slower.
 * @param candidates at least one
 * @param seconds how long it takes with one of them
 */
export async function fastestOf<T>(
  candidates: readonly T[],
  turns: number,
  seconds: (candidate: T) => Promise<number>,
): Promise<T> {
  const quickest = candidates.map(() => Number.POSITIVE_INFINITY);
  for (let turn = 0; turn < turns; turn++) {
    for (const [at, candidate] of candidates.entries()) {
      quickest[at] = Math.min(quickest[at] as number, await seconds(candidate));
    }
  }
  return candidates[quickest.indexOf(Math.min(...quickest))] as T;
}
