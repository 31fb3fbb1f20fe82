import { parseRecord, withoutLineEnd } from '@millrace/batch/rows/csv';
import { recordBorders } from '@millrace/batch/split/record-borders';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { anyCuts, anySizes, cutAt, split, textOf, utf8 } from './byte-pieces.js';

const specialText = fc.string({ unit: fc.constantFrom(...',""\r\n\t éß\uFEFF0'), maxLength: 6 });
const anyCell = fc.record({
  text: fc.oneof(specialText, fc.string({ unit: 'grapheme', maxLength: 6 })),
  isQuoted: fc.boolean(),
});
const anyTable = fc
  .integer({ min: 1, max: 4 })
  .chain((width) => fc.array(fc.array(anyCell, { minLength: width, maxLength: width }), { maxLength: 12 }));
type Cell = typeof anyCell extends fc.Arbitrary<infer T> ? T : never;

function writeRecord(cells: readonly Cell[]): string {
  return cells
    .map(({ text, isQuoted }) =>
      isQuoted || /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text,
    )
    .join(',');
}

function readRecords(bytes: Uint8Array): (string[] | undefined)[] {
  const borders = recordBorders('csv');
  const records: string[] = [];
  for (let start = 0; start < bytes.length; ) {
    const next = borders.next(bytes, start);
    const end = next === -1 ? bytes.length : next;
    records.push(textOf(bytes.subarray(start, end)));
    start = end;
  }
  return records.map((record) => parseRecord(withoutLineEnd(record)));
}

it('any table written by RFC 4180 is read back, however it was split', () => {
  fc.assert(
    fc.property(
      anyTable,
      fc.constantFrom('\n', '\r\n'),
      fc.boolean(),
      anyCuts,
      anySizes,
      (table, lineEnd, endsWithLine, cuts, sizes) => {
        const rows = table.filter((cells) => /[^ \t]/.test(writeRecord(cells)));
        const text = rows.map(writeRecord).join(lineEnd) + (endsWithLine ? lineEnd : '');
        const chunks = split(cutAt(utf8(text), cuts), { format: 'csv', ...sizes });
        const read = chunks.filter((chunk) => chunk.rows > 0).flatMap((chunk) => readRecords(chunk.bytes));
        expect(read).toEqual(rows.map((cells) => cells.map((cell) => cell.text)));
      },
    ),
    { numRuns: 1000 },
  );
});

/** The grammar of RFC 4180 as it stands there, but that anything but a quote and a comma may be in a bare field. */
const FIELD = /(?:"(?:[^"]|"")*"|[^",]*)/.source;
const RECORD = new RegExp(`^${FIELD}(?:,${FIELD})*$`);
function parseByGrammar(record: string): string[] | undefined {
  if (!RECORD.test(record)) return undefined;
  const fields = `,${record}`.match(new RegExp(`,${FIELD}`, 'g')) ?? [];
  return fields.map((field) =>
    field.startsWith(',"') ? field.slice(2, -1).replaceAll('""', '"') : field.slice(1),
  );
}

it('a record is read as the grammar of RFC 4180 says', () => {
  const anyRecord = fc.string({ unit: fc.constantFrom('"', '""', ',', 'a', ' ', '\n', 'é'), maxLength: 12 });
  fc.assert(
    fc.property(anyRecord, (record) => {
      expect(parseRecord(record)).toEqual(parseByGrammar(record));
    }),
    { numRuns: 2000 },
  );
});

it.each([
  ['', ['']],
  [',', ['', '']],
  ['a,b', ['a', 'b']],
  ['"a","b"', ['a', 'b']],
  ['"a,b",c', ['a,b', 'c']],
  ['"a""b",""', ['a"b', '']],
  ['"a",', ['a', '']],
  ['"""",""""""', ['"', '""']],
  [' a , b ', [' a ', ' b ']],
  ['"a', undefined],
  ['a"', undefined],
  ['"a"b', undefined],
  ['a, "b"', undefined],
  ['"a" ,b', undefined],
  ['a,b"c"', undefined],
])('the fields of %j are %j', (record, fields) => {
  expect(parseRecord(record)).toEqual(fields);
});

it.each([
  ['a\n', 'a'],
  ['a\r\n', 'a'],
  ['a\r', 'a'],
  ['a', 'a'],
  ['a\n\n', 'a\n'],
  ['\n', ''],
])('without its line end, %j is %j', (record, text) => {
  expect(withoutLineEnd(record)).toBe(text);
});
