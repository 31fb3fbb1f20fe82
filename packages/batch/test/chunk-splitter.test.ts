import { BatchError } from '@millrace/batch/errors';
import { ChunkSplitter } from '@millrace/batch/split/chunk-splitter';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { anyBytes, anyCuts, anySizes, cutAt, split, textOf, utf8 } from './byte-pieces.js';

describe.each(['ndjson', 'csv'] as const)('splitting %s', (format) => {
  it('loses, adds and reorders no byte', () => {
    fc.assert(
      fc.property(anyBytes, anyCuts, anySizes, (bytes, cuts, sizes) => {
        const chunks = split(cutAt(bytes, cuts), { format, ...sizes });
        expect(Buffer.concat(chunks.map((chunk) => chunk.bytes))).toEqual(Buffer.from(bytes));
      }),
      { numRuns: 500 },
    );
  });

  it('does not depend on the pieces in which the bytes arrive', () => {
    fc.assert(
      fc.property(anyBytes, anyCuts, anySizes, (bytes, cuts, sizes) => {
        const options = { format, ...sizes };
        expect(split(cutAt(bytes, cuts), options)).toEqual(split([bytes], options));
      }),
      { numRuns: 500 },
    );
  });

  it('numbers chunks and rows without gaps', () => {
    fc.assert(
      fc.property(anyBytes, anySizes, (bytes, sizes) => {
        let index = 0;
        let firstRow = 0;
        for (const chunk of split([bytes], { format, ...sizes })) {
          expect(chunk).toMatchObject({ index, firstRow });
          firstRow += chunk.rows;
          if (chunk.rows > 0) index++;
        }
      }),
    );
  });

  it('closes a chunk with the record that reaches a limit, and not before', () => {
    fc.assert(
      fc.property(anyBytes, anySizes, (bytes, { maxRows, maxBytes }) => {
        const chunks = split([bytes], { format, maxRows, maxBytes });
        for (const chunk of chunks) expect(chunk.rows).toBeLessThanOrEqual(maxRows);
        for (const { rows, bytes } of chunks.slice(0, -1)) {
          expect(rows === maxRows || bytes.length >= maxBytes).toBe(true);
        }
      }),
    );
  });

  it('counts no blank line as a row', () => {
    const chunks = split([utf8('\n \t\r\n1\n\r\n\n2\n   ')], { format, maxRows: 1 });
    expect(chunks.map(({ rows, bytes }) => [rows, textOf(bytes)])).toEqual([
      [1, '\n \t\r\n1\n'],
      [1, '\r\n\n2\n'],
      [0, '   '],
    ]);
  });

  it('holds no more than a chunk of blank lines', () => {
    const splitter = new ChunkSplitter({ format, maxRows: 10, maxBytes: 100, maxRecordBytes: 100 });
    let held = 0;
    for (let piece = 0; piece < 50; piece++) {
      held += 30;
      for (const chunk of splitter.push(utf8('\n'.repeat(30)))) held -= chunk.bytes.length;
      expect(held).toBeLessThan(100);
    }
    expect([...splitter.push(utf8(`1\n${'\n'.repeat(100)}`))]).toMatchObject([
      { index: 0, firstRow: 0, rows: 1 },
    ]);
  });

  it('takes the same array twice', () => {
    const piece = utf8('"a\n",1\n2,3\n');
    const options = { format, maxRows: 1 };
    expect(split([piece, piece], options)).toEqual(split([piece, piece.slice()], options));
  });

  it.each([
    ['1\n2\n34567\n', 'row 2'],
    ['1\n2\n34567', 'row 2'],
    ['1\n\n     \n', 'row 1'],
  ])('refuses a record that is too long by its row: %j', (text, name) => {
    for (let cut = 0; cut <= text.length; cut++) {
      for (const maxRows of [1, 2, 100]) {
        const refused = () => split(cutAt(utf8(text), [cut]), { format, maxRows, maxRecordBytes: 4 });
        expect(refused).toThrow(`${name} is longer than 4 bytes`);
      }
    }
  });

  it('takes records that are just as long as they may be', () => {
    expect(split([utf8('123\n456\n7890')], { format, maxRecordBytes: 4 })).toMatchObject([{ rows: 3 }]);
  });
});

it('counts every NDJSON line that is not blank', () => {
  fc.assert(
    fc.property(anyBytes, anySizes, (bytes, sizes) => {
      const lines = Buffer.from(bytes).toString('latin1').split('\n');
      const rows = split([bytes], { format: 'ndjson', ...sizes }).reduce((sum, chunk) => sum + chunk.rows, 0);
      expect(rows).toBe(lines.filter((line) => /[^ \t\r]/.test(line)).length);
    }),
  );
});

describe('CSV records', () => {
  it.each([
    ['plain', ['a,b\n', 'c,d\n']],
    ['CRLF', ['a,b\r\n', 'c,d\r\n']],
    ['no newline at the end', ['a,b\n', 'c,d']],
    ['a byte order mark', ['\uFEFFa,b\n', 'c,d\n']],
    ['quotes', ['"a","b"\n', '"c",d\n']],
    ['a newline in quotes', ['"a\nb",c\n', 'd,"e\r\n"\r\n']],
    ['a blank line in quotes', ['"a\n\nb",c\n', 'd,e\n']],
    ['a quote in quotes', ['"a""\n""b",c\n', '"""",d\n', '"""\n"""\n']],
    ['an empty quoted field', ['""\n', '"",""\n', 'a,""\n']],
    ['a comma in quotes', ['"a,"",\n",b\n', 'c\n']],
    ['a quote in the middle of a field', ['a"b,c\n', 'd,e"\n', 'f,5" x 3"\n', 'g""h\n', 'i\n']],
    ['a quote after a blank', ['a, "b\n', 'c\n']],
    ['text after a closing quote', ['"a"b",c\n', 'd,e\n']],
    ['a carriage return alone', ['a\r"b\n', 'c\n']],
    ['a quote left open', ['a,b\n', 'c,"d\ne,f\n']],
  ])('end where they should: %s', (_, records) => {
    const bytes = utf8(records.join(''));
    for (let cut = 0; cut <= bytes.length; cut++) {
      const chunks = split(cutAt(bytes, [cut]), { format: 'csv', maxRows: 1 });
      expect(chunks.map((chunk) => textOf(chunk.bytes))).toEqual(records);
    }
  });

  it('that are too long may have a quote left open', () => {
    const refused = () =>
      split([utf8('a,b\n"c,d\ne,f\ng,h\n')], { format: 'csv', maxRows: 1, maxRecordBytes: 8 });
    expect(refused).toThrow('row 1 is longer than 8 bytes (is a quote left open?)');
    expect(refused).toThrow(
      expect.objectContaining({ code: 'row_too_large', details: { row: 1, limit_bytes: 8 } }),
    );
  });
});

describe('the header line', () => {
  const splitWithHeader = (pieces: Uint8Array[], maxRecordBytes = 1000) => {
    const headers: string[] = [];
    const onHeader = (record: Uint8Array) => void headers.push(textOf(record));
    const chunks = split(pieces, { format: 'csv', maxRows: 1, maxBytes: 4, maxRecordBytes, onHeader });
    return { headers, rows: chunks.map(({ firstRow, bytes }) => [firstRow, textOf(bytes)]) };
  };

  it.each([
    ['a,b\n1,2\n3,4\n', 'a,b\n', ['1,2\n', '3,4\n']],
    ['\n \r\na,b\r\n1,2', '\n \r\na,b\r\n', ['1,2']],
    ['"a\nb",c\n1,2\n', '"a\nb",c\n', ['1,2\n']],
    ['a,b', 'a,b', []],
    ['a,b\n', 'a,b\n', []],
  ])('is passed once and is in no chunk: %j', (text, header, rows) => {
    for (let cut = 0; cut <= text.length; cut++) {
      expect(splitWithHeader(cutAt(utf8(text), [cut]))).toEqual({
        headers: [header],
        rows: rows.map((row, index) => [index, row]),
      });
    }
  });

  it('is not there when all lines are blank', () => {
    expect(splitWithHeader([utf8('\n  \n')]).headers).toEqual([]);
  });

  it('is refused by name when it is too long, with the blank lines before it', () => {
    for (const text of ['long,header\n1,2\n', '\n\n\n\na,b\n1,2\n', '\n'.repeat(99)]) {
      expect(() => splitWithHeader([utf8(text)], 6)).toThrow('the header line is longer than 6 bytes');
      expect(() => splitWithHeader([utf8(text)], 6)).toThrow(BatchError);
    }
  });
});
