import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { MUTANTS } from '../mutants/src/list.js';

it.each(MUTANTS)('there is one place for the fault: $name', ({ file, from, caughtBy }) => {
  const read = (path: string) => readFileSync(fileURLToPath(new URL(`../${path}`, import.meta.url)), 'utf8');
  expect(read(file).split(from).length - 1).toBe(1);
  for (const test of caughtBy) expect(read(test)).not.toBe('');
});
