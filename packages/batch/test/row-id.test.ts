import { RowReader } from '@millrace/batch/rows/row-reader';
import { expect, it } from 'vitest';
import { manifestOf } from './manifest-of.js';
import { readJson } from './row-values.js';

const READER = new RowReader(manifestOf('x'));
const LONGEST = 'a'.repeat(256);

it.each([
  ['{"id":"r1"}', 'r1'],
  ['{"id":""}', ''],
  ['{"id":"é😀\\n"}', 'é😀\n'],
  [`{"id":"${LONGEST}"}`, LONGEST],
  ['{"id":0}', 0],
  ['{"id":-1.5}', -1.5],
  ['{"id":9007199254740991}', Number.MAX_SAFE_INTEGER],
  ['{"id":null}', undefined],
  ['{}', undefined],
  ['{"__proto__":{"id":"r1"}}', undefined],
  ['["r1"]', undefined],
  ['"r1"', undefined],
  ['null', undefined],
])('the id of %s is %j', (row, id) => {
  expect(READER.idOf(JSON.parse(row))).toBe(id);
});

it.each([
  ['true', 'true'],
  ['{}', 'an object'],
  ['["r1"]', 'an array of 1 values'],
  [`"${LONGEST}a"`, `the string "${'a'.repeat(39)}…"`],
  ['1e999', 'Infinity'],
  // Two whole numbers from here on can be one number once they are parsed.
  ['9007199254740993', '9007199254740992'],
  ['-12345678901234567890', '-12345678901234567000'],
])('%s is no id', (id, got) => {
  expect(READER.idOf(JSON.parse(`{"id":${id}}`))).toEqual({
    code: 'invalid_id',
    message: `id must be a string of at most 256 characters or a number up to 2^53 - 1, got ${got}`,
  });
});

it('a feature called id is a feature', () => {
  const reader = new RowReader(manifestOf('id', 'x'));
  expect(reader.idOf({ id: 7, x: 1 })).toBeUndefined();
  expect(readJson(reader, '{"id":7,"x":1}')).toEqual([7, 1]);
  expect(readJson(reader, '{"x":1}')).toBe('missing_feature: id: is missing');
});
