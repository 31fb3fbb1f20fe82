/** Rows for several threads or processes. */

/** Contiguous parts of so many rows, as even as can be. @returns the first row of each, and the one after its last */
export function sharesOf(rows: number, parts: number): [from: number, to: number][] {
  const border = (at: number) => Math.floor((rows * at) / parts);
  return Array.from({ length: parts }, (_, at) => [border(at), border(at + 1)]);
}
