import { BatchError } from '@millrace/batch/errors';
import { RowReader } from '@millrace/batch/rows/row-reader';
import { type InvalidRow, validateRows } from '@millrace/batch/rows/validate-rows';
import { expect, it } from 'vitest';
import { manifestOf } from './manifest-of.js';

function refusal(rows: unknown[], reader: RowReader, pointer = ''): BatchError {
  try {
    validateRows(rows, reader, pointer);
  } catch (error) {
    if (error instanceof BatchError) return error;
  }
  throw new Error('the rows were not refused');
}

function listed(error: BatchError): InvalidRow[] {
  return error.details.errors as InvalidRow[];
}

const READER = new RowReader(manifestOf('x', 'a/b', 'c~d', '~1'));
const GOOD = { x: 1, 'a/b': 2, 'c~d': 3, '~1': 4 };

/** The value that an RFC 6901 pointer names. */
function follow(pointer: string, document: unknown): unknown {
  const steps = pointer.split('/').slice(1);
  const names = steps.map((step) => step.replaceAll('~1', '/').replaceAll('~0', '~'));
  return names.reduce((value, name) => (value as Record<string, unknown>)[name], document);
}

it('good rows pass', () => {
  expect(() => validateRows([GOOD, { id: 'r1', ...GOOD }, [1, 2, 3, 4]], READER, '')).not.toThrow();
});

it.each(['a/b', 'c~d', '~1', 'x'])('the pointer leads to the value of %s', (name) => {
  const body = { inputs: [GOOD, { ...GOOD, [name]: 'bad' }] };
  const pointers = listed(refusal(body.inputs, READER, '/inputs')).map((each) => each.pointer ?? '');
  expect(pointers.map((pointer) => follow(pointer, body))).toEqual(['bad']);
});

it.each([
  [{ ...GOOD, 'e/~f': 1 }, '/0/e~1~0f'],
  [{ x: 1 }, '/0/a~1b'],
  [{ ...GOOD, id: {} }, '/0/id'],
  [[1, 2, 3, 'bad'], '/0'],
  [[1, 2], '/0'],
  ['bad', '/0'],
  [null, '/0'],
])('%j is at fault at %s', (row, pointer) => {
  expect(listed(refusal([row], READER))).toMatchObject([{ row: 0, pointer }]);
});

it.each(['bad', null, true])('the bare value %j is at fault itself', (row) => {
  const error = refusal([1, row], new RowReader(manifestOf('x')), '/inputs');
  expect(listed(error)).toMatchObject([{ row: 1, pointer: '/inputs/1', code: 'wrong_type' }]);
});

it('says for every row what is wrong', () => {
  const error = refusal([GOOD, [1], { ...GOOD, x: 1e39 }], READER);
  expect(error).toMatchObject({ code: 'invalid_rows', message: '2 of 3 rows cannot be predicted' });
  expect(error.details).toEqual({
    invalid_rows: 2,
    errors: [
      { row: 1, pointer: '/1', code: 'wrong_length', message: 'expected 4 values, got 1' },
      {
        row: 2,
        pointer: '/2/x',
        code: 'out_of_range',
        message: 'x: 1e+39 is outside -3.4028235e+38 to 3.4028235e+38',
      },
    ],
  });
});

it('lists the first 100 rows at fault and counts all', () => {
  const rows = Array.from({ length: 300 }, (_, row) => (row % 2 === 0 ? GOOD : null));
  const error = refusal(rows, READER);
  expect(error.message).toBe('150 of 300 rows cannot be predicted');
  expect(error.details.invalid_rows).toBe(150);
  expect(listed(error).map(({ row }) => row)).toEqual(Array.from({ length: 100 }, (_, at) => 2 * at + 1));
});
