import { type Chunk, ChunkSplitter } from '@millrace/batch/split/chunk-splitter';
import { pickRecords } from '@millrace/batch/split/pick-records';
import type { LineFormat } from '@millrace/batch/split/record-borders';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

const bytesOf = (text: string) => new TextEncoder().encode(text);
const textOf = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
const pick = (text: string, format: LineFormat, ...places: number[]) =>
  textOf(pickRecords(bytesOf(text), format, new Set(places)));

describe('the records at some places', () => {
  it('come as they are, blank lines left out', () => {
    expect(pick('{"a":1}\n\n \r\n{"b":2}\r\n{"c":3}', 'ndjson', 1, 2)).toBe('{"b":2}\r\n{"c":3}');
  });

  it('may hold line ends in quotes in CSV', () => {
    expect(pick('1,"a\nb"\n2,"""\n"\n3,c\n', 'csv', 0, 1)).toBe('1,"a\nb"\n2,"""\n"\n');
    expect(pick('1,"a\nb"\n2,"""\n"\n3,c\n', 'csv', 2)).toBe('3,c\n');
  });

  it('are none when no place is asked for', () => {
    expect(pick('1\n2\n', 'ndjson')).toBe('');
  });
});

/** The rows of a text, each as a chunk of its own. */
function rowsOf(bytes: Uint8Array, format: LineFormat): string[] {
  const splitter = new ChunkSplitter({ format, maxRows: 1, maxBytes: 1_000, maxRecordBytes: 1_000 });
  const chunks: Chunk[] = [...splitter.push(bytes), ...splitter.end()];
  // Blank lines between rows are a part of the chunk that follows them.
  return chunks
    .filter(({ rows }) => rows > 0)
    .map((chunk) => textOf(chunk.bytes).replace(/^(?:[ \r]*\n)+/, ''));
}

it.each<LineFormat>(['ndjson', 'csv'])('are the rows that a splitter finds in them (%s)', (format) => {
  const record = fc.string({ unit: fc.constantFrom('a', ',', '"', '\n', '\r', ' '), maxLength: 8 });
  fc.assert(
    fc.property(fc.array(record, { maxLength: 8 }), fc.array(fc.nat(10)), (records, places) => {
      const bytes = bytesOf(records.map((each) => `x${each}\n`).join(''));
      const rows = rowsOf(bytes, format);
      const wanted = rows.filter((_, place) => places.includes(place));
      const picked = pickRecords(bytes, format, new Set(places));
      expect(textOf(picked)).toBe(wanted.join(''));
      expect(rowsOf(picked, format)).toEqual(wanted);
    }),
  );
});
