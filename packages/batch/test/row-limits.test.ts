import { execFileSync } from 'node:child_process';
import type { Manifest } from '@millrace/batch/manifest/manifest';
import { parseHeader } from '@millrace/batch/rows/csv';
import { decodeChunk } from '@millrace/batch/rows/decode-chunk';
import { NESTING_MAX } from '@millrace/batch/rows/nesting';
import { RowReader } from '@millrace/batch/rows/row-reader';
import type { LineFormat } from '@millrace/batch/split/record-borders';
import { describe, expect, it } from 'vitest';
import { utf8 } from './byte-pieces.js';
import { manifestOf, tensorOf } from './manifest-of.js';

const X = manifestOf('x');
const WHOLE = tensorOf('int64', { name: 'x', type: 'int' });
const VECTOR = manifestOf({ name: 'v', type: 'vector', length: 2 });
const MEGABYTE = 1_000_000;

/** What is wrong with the only row of a chunk, as `code: message`; nothing when it was read. */
function problemOf(manifest: Manifest, row: string, format: LineFormat = 'ndjson'): string | undefined {
  const names = manifest.features.map(({ name }) => name);
  const columns = format === 'csv' ? parseHeader(utf8(names.join()), manifest) : [];
  const source = { format, bytes: utf8(`${row}\n`), firstRow: 0, rows: 1, columns };
  const [error] = decodeChunk(source, new RowReader(manifest)).errors;
  return error && `${error.code}: ${error.message}`;
}

const nested = (depth: number, inner = '') => `${'['.repeat(depth)}${inner}${']'.repeat(depth)}`;
const nestedObjects = (depth: number) => `${'{"x":'.repeat(depth)}1${'}'.repeat(depth)}`;

describe('a row nested too deep', () => {
  const DEEP = 'wrong_row_type: the row is nested deeper than 64 levels';

  it.each([
    ['arrays', nested(65)],
    ['objects', nestedObjects(65)],
    ['both', `{"x":${'[{"x":'.repeat(32)}1${'}]'.repeat(32)}}`],
    ['that never end', '['.repeat(MEGABYTE)],
    ['beside shallow ones', `[${'[],'.repeat(100)}${nested(64)}]`],
    ['behind brackets in a string', `["\\"]]]]]]]]]",${nested(64)}]`],
  ])('is refused before it is parsed: %s', (_, row) => {
    expect(problemOf(X, row)).toBe(DEEP);
  });

  it.each([
    ['arrays', nested(64), 'wrong_type: x: expected a number, got an array of 1 values'],
    ['objects', nestedObjects(64), 'wrong_type: x: expected a number, got an object'],
    [
      'brackets in a string',
      JSON.stringify([']['.repeat(100)]),
      /^wrong_type: x: expected a number, got the string/,
    ],
    ['brackets side by side', `[${'[],'.repeat(99)}[]]`, 'wrong_length: expected 1 values, got 100'],
    ['brackets that close too early', `${']'.repeat(100)}${'['.repeat(100)}`, /^malformed_json/],
  ])('is no deeper than that: %s', (_, row, problem) => {
    expect(problemOf(X, row)).toEqual(typeof problem === 'string' ? problem : expect.stringMatching(problem));
  });

  it('leaves room for any tensor', () => {
    expect(NESTING_MAX).toBeGreaterThan(8 + 2);
  });

  it('is a text in CSV', () => {
    const brackets = `${'['.repeat(39)}…`;
    for (const cell of [nested(65), '['.repeat(MEGABYTE)]) {
      expect(problemOf(VECTOR, `"${cell}"`, 'csv')).toBe(
        `wrong_type: v: expected an array of 2 values, got the string "${brackets}"`,
      );
    }
  });
});

describe('a number with very many digits', () => {
  const DIGITS = '9'.repeat(MEGABYTE);
  const SHOWN = `${'9'.repeat(39)}…`;
  const FLOAT = 'out_of_range: x: Infinity is outside -3.4028235e+38 to 3.4028235e+38';
  const INT = 'out_of_range: x: Infinity is outside -9223372036854775808 to 9223372036854775807';

  it.each<[string, Manifest, string, LineFormat, string | undefined]>([
    ['float', X, `{"x":${DIGITS}}`, 'ndjson', FLOAT],
    ['float in CSV', X, DIGITS, 'csv', FLOAT],
    ['float with as many decimals', X, `{"x":0.${DIGITS}}`, 'ndjson', undefined],
    ['float with as many decimals in CSV', X, `0.${DIGITS}`, 'csv', undefined],
    ['float with such an exponent', X, `{"x":1e-${DIGITS}}`, 'ndjson', undefined],
    ['int64', WHOLE, `{"x":${DIGITS}}`, 'ndjson', INT],
    [
      'int64 as a string',
      WHOLE,
      `{"x":"${DIGITS}"}`,
      'ndjson',
      `wrong_type: x: expected a whole number, got the string "${SHOWN}"`,
    ],
    ['int64 in CSV', WHOLE, DIGITS, 'csv', INT],
  ])('%s', (_, manifest, row, format, problem) => {
    expect(problemOf(manifest, row, format)).toBe(problem);
  });
});

describe('very many fields', () => {
  it('of an object are named as far as an error has room, and counted', () => {
    const members = Array.from({ length: 100_000 }, (_, at) => `"k${at}":1`);
    expect(problemOf(X, `{${members.join()}}`)).toBe(
      'missing_feature: x: is missing; k0: the model has no such feature; k1: the model has no such feature; k2: the model has no such feature; k3: the model has no such feature; and 99996 more',
    );
  });

  it('of a record are counted', () => {
    expect(problemOf(X, ','.repeat(MEGABYTE), 'csv')).toBe('wrong_length: expected 1 fields, got 1000001');
    expect(problemOf(X, `"",${','.repeat(MEGABYTE)}`, 'csv')).toBe(
      'wrong_length: expected 1 fields, got 1000002',
    );
  });

  it.each([
    ['x,y', 'unknown_column', 'the model has no feature "y"'],
    ['"x",y', 'unknown_column', 'the model has no feature "y"'],
    ['x,id,x', 'duplicate_column', 'the header names the column "x" twice'],
  ])('of a header are not read beyond the first that is too many: %s,…', (start, code, message) => {
    // What comes behind them would be refused for its quotes.
    const header = () => parseHeader(utf8(`${start},"z"z${',z'.repeat(MEGABYTE)}`), X);
    expect(header).toThrow(expect.objectContaining({ code, message }));
  });

  it('of a header are as many as the values of a vector, and the id', () => {
    expect(parseHeader(utf8('v.0,id,v.1'), VECTOR)).toEqual([[0, 0], 'id', [0, 1]]);
  });
});

it('very long names are cut short where they are named', () => {
  const name = 'y'.repeat(MEGABYTE);
  const shown = `${'y'.repeat(39)}…`;
  expect(problemOf(X, `{"${name}":1}`)).toBe(
    `missing_feature: x: is missing; ${shown}: the model has no such feature`,
  );
  const header =
    (...names: string[]) =>
    () =>
      parseHeader(utf8(names.join()), VECTOR);
  expect(header(name)).toThrow(`the model has no feature "${shown}"`);
  expect(header(name, name)).toThrow(`the header names the column "${shown}" twice`);
});

it('rows at fault are counted without being kept', () => {
  const script = `
    import { RowReader } from '@millrace/batch/rows/row-reader';
    import { validateRows } from '@millrace/batch/rows/validate-rows';
    const reader = new RowReader(${JSON.stringify(X)});
    try {
      validateRows(new Array(3_000_000).fill(null), reader, '');
    } catch ({ message }) {
      console.log(message);
    }`;
  const run = ['--max-old-space-size=100', '--input-type=module', '--eval', script];
  expect(execFileSync(process.execPath, run, { encoding: 'utf8' })).toBe(
    '3000000 of 3000000 rows cannot be predicted\n',
  );
});
