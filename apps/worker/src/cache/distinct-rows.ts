/** Tells rows apart by their keys. */
export interface DistinctRows {
  /** Those that equal no earlier one, ascending. */
  firsts: Uint32Array;
  /** The others, by the first that they equal. */
  repeats: ReadonlyMap<number, readonly number[]>;
}

/** @param keys of all rows */
export function distinctRows(keys: readonly string[]): DistinctRows {
  const firsts = new Map<string, number>();
  const repeats = new Map<number, number[]>();
  keys.forEach((key, row) => {
    const first = firsts.get(key);
    if (first === undefined) {
      firsts.set(key, row);
      return;
    }
    const others = repeats.get(first);
    if (others === undefined) repeats.set(first, [row]);
    else others.push(row);
  });
  return { firsts: Uint32Array.from(firsts.values()), repeats };
}
