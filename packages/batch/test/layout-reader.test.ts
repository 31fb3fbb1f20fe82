import { csvLayout } from '@millrace/batch/rows/csv-layout';
import { jsonLayout } from '@millrace/batch/rows/json-layout';
import { LayoutReader } from '@millrace/batch/rows/layout-reader';
import { type CsvColumn, RowReader } from '@millrace/batch/rows/row-reader';
import { describe, expect, it } from 'vitest';
import { utf8 } from './byte-pieces.js';
import { manifestOf, tensorOf } from './manifest-of.js';
import { valuesOf } from './row-values.js';

const PLAIN = new RowReader(
  manifestOf('x', { name: 'é', type: 'int', default: 7 }, { name: 'b', type: 'bool', default: false }),
);
const VECTOR = new RowReader(manifestOf('x', { name: 'v', type: 'vector', length: 3 }));
const SINGLE = new RowReader(manifestOf({ name: 'v', type: 'vector', length: 1 }));
const TENSOR = new RowReader(manifestOf({ name: 't', type: 'tensor', shape: [2, 2] }));
const TEXT = new RowReader(
  tensorOf('string', { name: 's', type: 'string' }, { name: 'c', type: 'category', values: ['a', 'é'] }),
);

type Read = { id: string | number | undefined; values: unknown[] };

/** What the second row comes to by the layout of the first; undefined when it is not read. */
function readAfter(reader: RowReader, first: string, second: string): Read | undefined {
  const inputs = reader.allocate(1);
  const layout = jsonLayout(utf8(`${first}\n`), reader, inputs);
  return layout && read(reader, inputs, layout, second);
}

function read(
  reader: RowReader,
  inputs: ReturnType<RowReader['allocate']>,
  layout: NonNullable<ReturnType<typeof jsonLayout>>,
  record: string,
): Read | undefined {
  const bytes = utf8(`--${record}\n--\n`);
  const byLayout = new LayoutReader(bytes, reader, inputs);
  const end = byLayout.read(layout, 2, 0);
  if (end === undefined) return undefined;
  expect(end).toBe(bytes.length - 3);
  return { id: byLayout.id, values: inputs.flatMap((input) => valuesOf(input, 0)) };
}

describe('a JSON row is read by the layout of another', () => {
  it.each([
    ['{"x":1,"é":2,"b":true}', '{"x":-2.5e1,"é":20,"b":false}', [-25, 20, 0]],
    ['{"x": 1, "\\u00e9": 2, "b": true}', '{"x": 10, "\\u00e9": -0, "b": true}', [10, -0, 1]],
    [' { "b":true,"x"\t:1 , "é":2 } ', ' { "b":false,"x"\t:11 , "é":2 } \r', [11, 2, 0]],
    ['[1,2,true]\r', '[1.50,2e2,false]\r', [1.5, 200, 0]],
    ['{"x":1}', '{"x":2}', [2, 7, 0]],
    ['{"x":1,"é":2,"b":true}', '{"x":2,"é":null,"b":null}', [2, 7, 0]],
    ['[1,2,true]', '[1,null,true]', [1, 7, 1]],
    ['{"x":1,"é":null,"b":null}', '{"x":2,"é":3,"b":true}', [2, 3, 1]],
    ['[1,null, null]', '[2,null, true]', [2, 7, 1]],
  ])('%s: %s', (first, second, values) => {
    expect(readAfter(PLAIN, first, second)).toEqual({ id: undefined, values });
  });

  it.each([
    ['{"id":1,"x":1}', '{"id":123,"x":1}', 123],
    ['{"x":1,"id":"a"}', '{"x":1,"id":"b c"}', 'b c'],
    ['{"x":1,"id":"\\n"}', '{"x":1,"id":""}', ''],
  ])('with its id: %s: %s', (first, second, id) => {
    expect(readAfter(PLAIN, first, second)).toEqual({ id, values: [1, 7, 0] });
  });

  it('of vectors, tensors and texts', () => {
    expect(readAfter(VECTOR, '{"x":1,"v":[1, 2,3]}', '{"x":0,"v":[4, 5,6]}')?.values).toEqual([0, 4, 5, 6]);
    expect(readAfter(TENSOR, '[[[1,2],[3,4]]]', '[[[5,6],[7,8]]]')?.values).toEqual([5, 6, 7, 8]);
    expect(readAfter(TENSOR, '[[1,2],[3,4]]', '[[5,6],[7,8]]')?.values).toEqual([5, 6, 7, 8]);
    expect(readAfter(TEXT, '{"s":"é","c":"é"}', '{"s":"a, b","c":"a"}')?.values).toEqual(['a, b', 'a']);
  });

  it.each([
    ['{"x":1,"b":true}', '{"b":true,"x":1}'],
    ['{"x":1}', '{"x": 1}'],
    ['{"x":1}', '{"x":1} '],
    ['{"x":1}', '{"x":1}}'],
    ['{"x":1}', '{"x":1,"b":true}'],
    ['{"x":1}', '{"x":null}'],
    ['{"x":1}', '{"x":1e39}'],
    ['{"x":1}', '{"x":"1"}'],
    ['{"x":1}', '{"x":01}'],
    ['{"x":1,"b":true}', '{"x":1,"b":tru}'],
    ['{"x":1,"é":null}', '{"x":1,"é":true}'],
    ['{"id":1,"x":1}', '{"id":"1","x":1}'],
    ['{"id":1,"x":1}', '{"id":9007199254740992,"x":1}'],
    ['{"id":"1","x":1}', '{"id":"\\n","x":1}'],
    ['{"id":"1","x":1}', '{"id":"é","x":1}'],
    ['{"id":"1","x":1}', `{"id":"${'a'.repeat(257)}","x":1}`],
  ])('%s, but not as that: %s', (first, second) => {
    expect(readAfter(PLAIN, first, second)).toBeUndefined();
  });

  it('nor are texts by one that is absent, or the other way round', () => {
    const reader = new RowReader(
      manifestOf({ name: 'c', type: 'category', values: ['a', 'b'], default: 'a' }),
    );
    expect(readAfter(reader, '{"c":"b"}', '{"c":"b"}')?.values).toEqual([1]);
    expect(readAfter(reader, '{"c":"b"}', '{"c":"null"}')).toBeUndefined();
    expect(readAfter(reader, '{"c":"b"}', '{"c":null}')).toBeUndefined();
    expect(readAfter(reader, '{"c":null}', '{"c":null}')).toBeUndefined();
  });

  it.each([
    '{"x":1,"x":2}',
    '{"x":{"b":true},"x":1}',
    '{"id":[1],"x":1,"id":1}',
    '{"id":null,"x":1}',
    '\uFEFF{"x":1}',
  ])('%s says nothing about others', (row) => {
    expect(jsonLayout(utf8(row), PLAIN, PLAIN.allocate(1))).toBeUndefined();
  });
});

describe('a CSV record is read by the layout of its columns', () => {
  const readCsv = (reader: RowReader, columns: CsvColumn[], record: string) => {
    const inputs = reader.allocate(1);
    const layout = csvLayout(columns, reader, inputs);
    return layout && read(reader, inputs, layout, record);
  };

  it.each<[RowReader, CsvColumn[], string, Read]>([
    [PLAIN, [1, 0, 2], '2,1.5,True', { id: undefined, values: [1.5, 2, 1] }],
    [PLAIN, [1, 0, 2], ',1.5,\r', { id: undefined, values: [1.5, 7, 0] }],
    [PLAIN, ['id', 0], '17,1\r', { id: '17', values: [1, 7, 0] }],
    [VECTOR, [[1, 2], [1, 0], [1, 1], 0], '3,1,2,-0', { id: undefined, values: [-0, 1, 2, 3] }],
    [TEXT, [1, 0], 'a,\\u0061 b ', { id: undefined, values: ['\\u0061 b ', 'a'] }],
  ])('%#', (reader, columns, record, expected) => {
    expect(readCsv(reader, columns, record)).toEqual(expected);
  });

  it.each(['null,1', 'a,1', '2,', '2, 1', '+2,1', '2,.5', '"2",1', '2,1,1', '2', '2,1\r\r', '2,1e39'])(
    'but not %j',
    (record) => {
      expect(readCsv(PLAIN, [1, 0], record)).toBeUndefined();
    },
  );

  it.each(['a,', 'a, ', ',b', ' a,b', 'a,"b"', 'a,é', 'a,b\t'])('nor %j, for texts', (record) => {
    expect(readCsv(TEXT, [1, 0], record)).toBeUndefined();
  });

  it('nor a blank line', () => {
    const reader = new RowReader(manifestOf({ name: 'x', type: 'float', default: 1 }));
    expect(readCsv(reader, [0], '')).toBeUndefined();
    expect(readCsv(reader, [0, 'id'], ',a')).toEqual({ id: 'a', values: [1] });
  });

  it('that are of other models, or spell vectors in JSON, is none', () => {
    expect(csvLayout([1], PLAIN, PLAIN.allocate(1))).toBeUndefined();
    expect(csvLayout([0, 1], VECTOR, VECTOR.allocate(1))).toBeUndefined();
    expect(csvLayout([0], SINGLE, SINGLE.allocate(1))).toBeUndefined();
    expect(csvLayout([0, [1, 0], [1, 1]], VECTOR, VECTOR.allocate(1))).toBeUndefined();
  });
});
