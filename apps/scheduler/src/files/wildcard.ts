/** Whether a name of a file or folder matches a pattern: `*` is any number of characters, `?` is one. */

/** Takes at most the product of both lengths, whatever the pattern: clients write them. */
export function matchesWildcard(pattern: string, name: string): boolean {
  const [wanted, given] = [[...pattern], [...name]];
  let star = -1;
  /** Where what the last star takes ends. */
  let taken = 0;
  let next = 0;
  let at = 0;
  while (at < given.length) {
    if (wanted[next] === '*') {
      star = next++;
      taken = at;
    } else if (wanted[next] === '?' || wanted[next] === given[at]) {
      next++;
      at++;
    } else if (star !== -1) {
      next = star + 1;
      at = ++taken;
    } else {
      return false;
    }
  }
  return wanted.slice(next).every((character) => character === '*');
}
