import type { RowError } from '@millrace/batch/errors';
import { groupErrors } from '@millrace/batch/results/error-groups';
import { expect, it } from 'vitest';

const error = (row: number, code: RowError['code'], message = 'no'): RowError => ({ row, code, message });

it('counts the rows of each code, and shows the first three', () => {
  const errors = [
    error(1, 'wrong_type'),
    { ...error(2, 'timeout'), id: 'b' },
    ...[3, 5, 8, 9].map((row) => error(row, 'wrong_type')),
  ];
  expect(groupErrors(errors)).toEqual({
    wrong_type: { count: 5, examples: [1, 3, 5].map((row) => ({ row, message: 'no' })) },
    timeout: { count: 1, examples: [{ row: 2, id: 'b', message: 'no' }] },
  });
});

it('keeps the beginning of a long message, and no half of a character', () => {
  const message = `${'x'.repeat(198)}😀${'y'.repeat(1_000)}`;
  const shown = groupErrors([error(0, 'inference_failed', message)]).inference_failed?.examples[0]?.message;
  expect(shown).toBe(`${'x'.repeat(198)}…`);
});
