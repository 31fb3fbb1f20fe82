/** True where just these bytes stand in others, from `start` on. */
export function standsAt(literal: Uint8Array, bytes: Uint8Array, start: number): boolean {
  for (let at = 0; at < literal.length; at++) if (bytes[start + at] !== literal[at]) return false;
  return true;
}
