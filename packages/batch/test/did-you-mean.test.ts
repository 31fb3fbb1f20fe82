import { didYouMean } from '@millrace/batch/did-you-mean';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

/** Insertions, deletions, substitutions and swaps of neighbours, by the definition: from the last letters to the first. */
function distance(a: string, b: string): number {
  if (a === '' || b === '') return a.length + b.length;
  const isSwap = a.length > 1 && b.length > 1 && a.at(-1) === b.at(-2) && a.at(-2) === b.at(-1);
  return Math.min(
    distance(a.slice(0, -1), b) + 1,
    distance(a, b.slice(0, -1)) + 1,
    distance(a.slice(0, -1), b.slice(0, -1)) + (a.at(-1) === b.at(-1) ? 0 : 1),
    isSwap ? distance(a.slice(0, -2), b.slice(0, -2)) + 1 : Number.POSITIVE_INFINITY,
  );
}

it('names the first of the nearest words, unless more than a third of the letters are wrong', () => {
  const anyWord = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), maxLength: 7 });
  fc.assert(
    fc.property(anyWord, fc.array(anyWord, { maxLength: 3 }), (word, known) => {
      const distances = known.map((name) => distance(word, name));
      const nearest = Math.min(...distances);
      const isNear = nearest <= Math.max(1, Math.floor(word.length / 3));
      const hint = `; did you mean "${known[distances.indexOf(nearest)]}"?`;
      expect(didYouMean(word, known)).toBe(isNear ? hint : '');
    }),
    { numRuns: 300 },
  );
});

describe('of the features of iris', () => {
  const FEATURES = ['sepal_length', 'sepal_width', 'petal_length', 'petal_width'];

  it.each([
    ['sepal_lenght', 'sepal_length'],
    ['sepal-width', 'sepal_width'],
    ['SEPAL_WIDTH', 'sepal_width'],
    ['petal_widt', 'petal_width'],
    ['petallength', 'petal_length'],
    ['etal_length', 'petal_length'],
    ['spal_lngth', 'sepal_length'],
  ])('%s is near %s', (word, name) => {
    expect(didYouMean(word, FEATURES)).toBe(`; did you mean "${name}"?`);
  });

  it.each(['', 'x', 'colour', 'length', 'sepal', 'sepal_length_in_centimetres', 'a'.repeat(100_000)])(
    'none is near %s',
    (word) => {
      expect(didYouMean(word, FEATURES)).toBe('');
    },
  );
});
