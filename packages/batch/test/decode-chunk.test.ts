import type { DecodedChunk } from '@millrace/batch/rows/chunk-rows';
import { decodeChunk } from '@millrace/batch/rows/decode-chunk';
import { type CsvColumn, RowReader } from '@millrace/batch/rows/row-reader';
import type { LineFormat } from '@millrace/batch/split/record-borders';
import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import { anyBytes, anyCuts, anySizes, cutAt, split, utf8 } from './byte-pieces.js';
import { manifestOf } from './manifest-of.js';
import { type Value, valuesOf } from './row-values.js';

const READER = new RowReader(manifestOf('x', { name: 'n', type: 'int' }));
const COLUMNS: CsvColumn[] = ['id', 0, 1];

function decode(format: LineFormat, input: string | Uint8Array, firstRow = 10): DecodedChunk {
  const bytes = typeof input === 'string' ? utf8(input) : input;
  const rows = split([bytes], { format }).reduce((sum, chunk) => sum + chunk.rows, 0);
  return decodeChunk({ format, bytes, firstRow, rows, columns: COLUMNS }, READER);
}

/** The values of every row that was read, in order. */
function valuesRead({ inputs, valid }: DecodedChunk): Value[][] {
  return Array.from(valid, (_, row) => inputs.flatMap((input) => valuesOf(input, row)));
}

function joinLines(lines: (string | Uint8Array)[]): Uint8Array {
  return Uint8Array.from(Buffer.concat(lines.flatMap((line) => [Buffer.from(line), utf8('\n')])));
}

const finiteFloat = fc.float({ noNaN: true, noDefaultInfinity: true });
const anyRow = fc.record({
  id: fc.stringMatching(/^[a-z]{1,3}$/),
  x: finiteFloat,
  n: fc.integer({ min: -(2 ** 24), max: 2 ** 24 }),
});
const asCsv = ({ id, x, n }: { id: string; x: number; n: number }) => `${id},${x},${n}`;

describe.each(['ndjson', 'csv'] as const)('a chunk of %s', (format) => {
  it('has the rows that the splitter counted, each of them read or reported once, for any bytes', () => {
    const nearlyRow = fc.constantFrom('{"x":1,"n":2}', '[1,2]', 'a,1,2', '"a\n",1,2', '"', '\uFEFF', '\xa0');
    const anyInput = fc.array(fc.oneof(anyBytes, nearlyRow), { maxLength: 6 }).map(joinLines);
    fc.assert(
      fc.property(anyInput, anyCuts, anySizes, (bytes, cuts, sizes) => {
        for (const chunk of split(cutAt(bytes, cuts), { format, ...sizes })) {
          const decoded = decodeChunk({ format, columns: COLUMNS, ...chunk }, READER);
          const { rows, valid, errors } = decoded;
          const invalid = errors.map((error) => error.row - chunk.firstRow);
          const places = Array.from({ length: chunk.rows }, (_, place) => place);
          expect(rows).toBe(chunk.rows);
          expect([...valid, ...invalid].sort((a, b) => a - b)).toEqual(places);
          expect([...valid]).toEqual(places.filter((place) => !invalid.includes(place)));
          expect(invalid).toEqual(places.filter((place) => !valid.includes(place)));
          for (const values of valuesRead(decoded)) expect(values.every(Number.isFinite)).toBe(true);
        }
      }),
      { numRuns: 500 },
    );
  });

  it('reads every good row, whatever the rows beside it are', () => {
    const badLine = fc
      .constantFrom(
        'nonsense',
        '1,2',
        'a"b,1,2',
        '{"x":1',
        '[1]',
        '"\xff"',
        '\xff',
        'é,é,é',
        ',,',
        '"a"b,1,2',
      )
      .map((text) => Buffer.from(text, 'latin1'));
    const write = format === 'csv' ? asCsv : JSON.stringify;
    const anyLine = fc.record({ row: anyRow, bad: fc.option(badLine, { nil: undefined, freq: 2 }) });
    fc.assert(
      fc.property(fc.array(anyLine, { maxLength: 10 }), fc.nat(), (lines, firstRow) => {
        const bytes = joinLines(lines.map(({ row, bad }) => bad ?? write(row)));
        const decoded = decode(format, bytes, firstRow);
        const { valid, ids, errors } = decoded;
        const good = lines.flatMap(({ row, bad }, place) => (bad ? [] : [{ ...row, place }]));
        expect([...valid]).toEqual(good.map(({ place }) => place));
        expect(valuesRead(decoded)).toEqual(good.map(({ x, n }) => [Math.fround(Number(`${x}`)), n]));
        expect(good.map(({ place }) => ids?.[place])).toEqual(good.map(({ id }) => id));
        expect(errors.map((error) => error.row)).toEqual(
          lines.flatMap(({ bad }, place) => (bad ? [firstRow + place] : [])),
        );
      }),
      { numRuns: 300 },
    );
  });
});

describe('rows that look alike', () => {
  /** How often a row was parsed. */
  function parsed(format: LineFormat, lines: string[]): number {
    const reader = new RowReader(manifestOf('x', { name: 'n', type: 'int', default: 7 }));
    const read = vi.spyOn(reader, format === 'csv' ? 'readFields' : 'read');
    const bytes = joinLines(lines);
    const decoded = decodeChunk({ format, bytes, firstRow: 0, rows: lines.length, columns: COLUMNS }, reader);
    expect(decoded.valid).toHaveLength(lines.length);
    return read.mock.calls.length;
  }

  it('are not parsed, but for the first one of NDJSON', () => {
    expect(parsed('ndjson', Array(100).fill('{"x":1,"n":2}'))).toBe(1);
    expect(parsed('csv', Array(100).fill('a,1,2'))).toBe(0);
  });

  it.each([16, 12, 9])('are not parsed because one in %d looks otherwise', (every) => {
    const isOther = (at: number) => at % every === every - 1;
    const lines = Array.from({ length: 4000 }, (_, at) => (isOther(at) ? '{"x":1}' : '{"x":1,"n":2}'));
    expect(parsed('ndjson', lines)).toBe(1 + Math.floor(lines.length / every));
    const records = lines.map((_, at) => (isOther(at) ? '"a",1,2' : 'a,1,2'));
    expect(parsed('csv', records)).toBe(Math.floor(lines.length / every));
  });
});

it('the same rows give the same tensor in every format', () => {
  fc.assert(
    fc.property(fc.array(anyRow, { maxLength: 20 }), (rows) => {
      const chunks = [
        decode('ndjson', joinLines(rows.map((row) => JSON.stringify(row)))),
        decode('ndjson', joinLines(rows.map(({ id, n, x }) => ` {"n": ${n}, "id": "${id}", "x": ${x}}\r`))),
        decode('csv', joinLines(rows.map(asCsv))),
        decode('csv', joinLines(rows.map(({ id, x, n }) => `"${id}","${x}", ${n} \r`))),
      ];
      for (const chunk of chunks) expect(chunk).toEqual(chunks[0]);
      const { inputs, errors } = decode('ndjson', joinLines(rows.map(({ x, n }) => `[${x}, ${n}]`)));
      expect({ inputs, errors }).toEqual({ inputs: chunks[0]?.inputs, errors: [] });
    }),
  );
});

it('a bad row is reported by its number in the task, with its id', () => {
  const text = '{"x":1,"n":2}\n\n{"id":"b","x":"1","n":2}\n{"id":3,"x":3,"n":4}';
  const { inputs, ...decoded } = decode('ndjson', text, 1000);
  expect(valuesRead({ inputs, ...decoded })).toEqual([
    [1, 2],
    [3, 4],
  ]);
  expect(decoded).toEqual({
    rows: 3,
    valid: Uint32Array.of(0, 2),
    ids: [undefined, 'b', 3],
    errors: [{ row: 1001, id: 'b', code: 'wrong_type', message: 'x: expected a number, got the string "1"' }],
  });
});

it('no row has an id, and there are no ids', () => {
  expect(decode('ndjson', '[1,2]\n{"x":1,"n":2}\n')).not.toHaveProperty('ids');
  expect(decode('csv', ',1,2\n"",1,2\n')).not.toHaveProperty('ids');
});

it('rows without an id come after rows that have one', () => {
  const named = '{"id":"a","x":1,"n":2}\n';
  expect(decode('ndjson', named.repeat(2) + '[3,4]\n'.repeat(3)).ids).toEqual(['a', 'a']);
});

const NOT_JSON = { code: 'malformed_json', message: 'the line is not valid JSON' };
const NOT_UTF8 = { code: 'invalid_utf8', message: 'the record is not valid UTF-8' };
const NOT_CSV = { code: 'malformed_csv', message: 'the quotes of this record do not pair up' };

it.each([
  ['ndjson', '{"x":1,"n":2', NOT_JSON],
  ['ndjson', '{"x":NaN,"n":2}', NOT_JSON],
  ['ndjson', "{'x':1,'n':2}", NOT_JSON],
  ['ndjson', '[1,2][1,2]', NOT_JSON],
  ['ndjson', '\uFEFF[1,2]', NOT_JSON],
  ['ndjson', '[1,"\xff"]', NOT_UTF8],
  ['ndjson', '{"id":true,"x":1,"n":2}', { code: 'invalid_id' }],
  ['csv', 'a"b,1,2', NOT_CSV],
  ['csv', 'a,1,2"', NOT_CSV],
  ['csv', '"a" ,1,2', NOT_CSV],
  ['csv', '\xff,1,2', NOT_UTF8],
  ['csv', '"\xff\n\xfe",1,2', NOT_UTF8],
  ['csv', 'a,1', { code: 'wrong_length', message: 'expected 3 fields, got 2' }],
  ['csv', 'a,1,2,', { code: 'wrong_length', message: 'expected 3 fields, got 4' }],
  ['csv', `${'a'.repeat(257)},1,2`, { code: 'invalid_id' }],
] as const)('the %s record %j is one error', (format, record, problem) => {
  const good = format === 'csv' ? 'a,1,2' : '[1,2]';
  const encoding = record.includes('\xff') ? 'latin1' : 'utf8';
  const { rows, valid, errors } = decode(format, joinLines([good, Buffer.from(record, encoding), good]));
  expect({ rows, valid: [...valid], errors }).toMatchObject({
    rows: 3,
    valid: [0, 2],
    errors: [{ row: 11, ...problem }],
  });
});

it('a quote left open takes the lines up to the next quote into its own record', () => {
  const { rows, valid, errors } = decode('csv', 'a,1,2\n"b,1,2\nc,1,2\n');
  expect({ rows, valid: [...valid] }).toEqual({ rows: 2, valid: [0] });
  const message = `${NOT_CSV.message}; it takes up 2 lines (is a quote left open?)`;
  expect(errors).toEqual([{ row: 11, ...NOT_CSV, message }]);
});

it('a byte order mark is allowed at the very start of the task only', () => {
  const text = '\uFEFF[1,2]\n\uFEFF[1,2]\n';
  expect(decode('ndjson', text, 0).errors).toEqual([{ row: 1, ...NOT_JSON }]);
  expect(decode('ndjson', `\n${text}`, 0).errors).toEqual([{ row: 1, ...NOT_JSON }]);
  expect(decode('ndjson', text, 5).errors).toHaveLength(2);
  expect(decode('ndjson', Buffer.concat([utf8(text), Buffer.of(0xff)]), 0).errors).toMatchObject([
    { row: 1, code: 'malformed_json' },
    { row: 2, code: 'invalid_utf8' },
  ]);
});

it('a chunk that holds other rows than were counted is not read', () => {
  const source = { format: 'ndjson', bytes: utf8('[1,2]\n'), firstRow: 0, rows: 2 } as const;
  expect(() => decodeChunk(source, READER)).toThrow('split as 2 rows and read as 1');
});
