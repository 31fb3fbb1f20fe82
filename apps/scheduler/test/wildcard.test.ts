/** Names by a pattern, against what a regular expression says of short ones. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { matchesWildcard } from '../dist/files/wildcard.js';

const textOf = (characters: string) => fc.array(fc.constantFrom(...characters), { maxLength: 7 });

it('matches as a regular expression does', () => {
  fc.assert(
    fc.property(textOf('ab*?'), textOf('ab'), (pattern, name) => {
      const text = pattern.join('').replaceAll('*', '.*').replaceAll('?', '.');
      expect(matchesWildcard(pattern.join(''), name.join(''))).toBe(
        new RegExp(`^${text}$`).test(name.join('')),
      );
    }),
    { numRuns: 3_000 },
  );
});

it('takes a character of two code units for one', () => {
  expect(matchesWildcard('?.csv', '🌊.csv')).toBe(true);
});
