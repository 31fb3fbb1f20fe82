import { linesOfList } from '@millrace/batch/rows/list-lines';
import { RowReader } from '@millrace/batch/rows/row-reader';
import { expect, it } from 'vitest';
import { textOf, utf8 } from './byte-pieces.js';
import { manifestOf, tensorOf } from './manifest-of.js';

const READER = new RowReader(
  manifestOf('x', { name: 'é', type: 'int', default: 7 }, { name: 'b', type: 'bool', default: false }),
);
const BARE = new RowReader(manifestOf('x'));
const VECTOR = new RowReader(manifestOf({ name: 'v', type: 'vector', length: 2 }));
const OPEN = new RowReader(manifestOf({ name: 'v', type: 'tensor', shape: [null] }));
const QUOTED = new RowReader(manifestOf('"]'));
const TEXT = new RowReader(tensorOf('string', { name: 's', type: 'string' }));

function linesOf(list: string, reader = READER, maxLineBytes = 1000): string | undefined {
  const lines = linesOfList(utf8(list), reader, maxLineBytes);
  return lines && textOf(lines);
}

it.each([
  ['[{"x":1},{"x":-2.50e1}]', '{"x":1}\n{"x":-2.50e1}\n'],
  ['[{"x": 1, "é": 2}, {"x": 3, "é": null}]', '{"x": 1, "é": 2} \n{"x": 3, "é": null}\n'],
  ['[\n{"x":1},\r\n{"x":2}\n]', '{"x":1}  \n{"x":2} \n'],
  ['[ [1,2,true]\t,[3,4,false] ]', '[1,2,true] \n[3,4,false] \n'],
  ['[{"x":1,"id":"a, ]"},{"x":2,"id":"}\'"}]', '{"x":1,"id":"a, ]"}\n{"x":2,"id":"}\'"}\n'],
  ['[{"x":1}]', '{"x":1}\n'],
])('%j: the rows stay as they are written, each on a line', (list, lines) => {
  expect(linesOf(list)).toBe(lines);
});

it('bare values, vectors, texts and objects with any names are rows, too', () => {
  expect(linesOf('[1,2 , 30]', BARE)).toBe('1\n2  \n30\n');
  expect(linesOf('[[1,2],[3,4]]', VECTOR)).toBe('[1,2]\n[3,4]\n');
  expect(linesOf('[[[1,2]],[[3,4]]]', VECTOR)).toBe('[[1,2]]\n[[3,4]]\n');
  expect(linesOf('["a","]"]', TEXT)).toBe('"a"\n"]"\n');
  expect(linesOf('[{"\\"]":1},{"\\"]":2}]', QUOTED)).toBe('{"\\"]":1}\n{"\\"]":2}\n');
});

it('a list that is to be parsed is left as it is', () => {
  const list = utf8('[{"x":1}, {"x":2}, {}]');
  expect(linesOfList(list, READER, 1000)).toBeUndefined();
  expect(textOf(list)).toBe('[{"x":1}, {"x":2}, {}]');
});

it.each([
  ...['[]', '[ ]', '[', '[{"x":1}', '[{"x":1},]', '[,{"x":1}]', '[{"x":1},,{"x":2}]', '[{"x":1} {"x":2}]'],
  ...['[{"x":1}]]', '[{"x":1}],{"x":2}]', '[{"x":1}}]', '["]', '["\\"]', '[{"x":1},{"x":2]', '[{"x":1];'],
  ...['[{"x":1\n}]', '[{"x":1},{"b":true}]', '[{"x":1},{"x" :2}]', '[{"x":1},{"x":1,"é":2}]'],
  ...['[{"x":"1"}]', '[{"x":1},{"x":"1"}]', '[{"x":1e39}]', '[{"x":1},{"x":1e39}]', '[{"x":1,"x":2}]'],
  ...['[{"x":1,"y":2}]', '[1,2]', '[null]', '[{"x":1},null]', '[{"x":NaN}]', '[{"x":01}]', '[\uFEFF{"x":1}]'],
  ...[
    '[{"x":1,"id":true}]',
    '[{"x":1,"id":[1]}]',
    '[{"x":1,"id":1},{"x":1,"id":9007199254740992}]',
    '[{"x":1,"id":"é"}]',
  ],
])('%j is to be parsed', (list) => {
  expect(linesOf(list)).toBeUndefined();
});

it.each(['-0', '-0.00', '-0e5', '-1e-400'])('so is a list with %s, which is stored as 0', (zero) => {
  expect(linesOf(`[1,${zero},1]`, BARE)).toBeUndefined();
  expect(linesOf(`[-1,${zero.slice(1)},-0.5]`, BARE)).toBeDefined();
});

it('so is a row that is longer than a line may be, with all that comes before its end', () => {
  expect(linesOf('[{"x":1},{"x":2}]', READER, 8)).toBeDefined();
  expect(linesOf('[{"x":1},{"x":2}]', READER, 7)).toBeUndefined();
  expect(linesOf('[{"x":1}, {"x":2}]', READER, 8)).toBeUndefined();
  expect(linesOf('[{"x":1},{"x":10}]', READER, 8)).toBeUndefined();
});

it('so are rows of open size, and bytes that are no UTF-8', () => {
  expect(linesOf('[[1,2],[3,4]]', OPEN)).toBeUndefined();
  const latin1 = Buffer.from('[{"\xe9":2}]', 'latin1');
  expect(linesOfList(latin1, new RowReader(manifestOf('\uFFFD')), 1000)).toBeUndefined();
});
