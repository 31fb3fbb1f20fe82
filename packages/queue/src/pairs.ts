/** A flat list of names and values, as Redis answers it, as an object. */
export function pairs(flat: readonly string[]): Record<string, string> {
  const entries: [string, string][] = [];
  for (let at = 0; at < flat.length; at += 2) entries.push([flat[at] as string, flat[at + 1] as string]);
  return Object.fromEntries(entries);
}
