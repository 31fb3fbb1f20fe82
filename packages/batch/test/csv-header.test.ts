import { BatchError } from '@millrace/batch/errors';
import { parseHeader } from '@millrace/batch/rows/csv';
import { describe, expect, it } from 'vitest';
import { utf8 } from './byte-pieces.js';
import { manifestOf } from './manifest-of.js';

const IRIS = manifestOf('sepal_length', 'sepal_width', 'petal_length');

function refusal(header: Uint8Array, manifest = IRIS): BatchError {
  try {
    parseHeader(header, manifest);
  } catch (error) {
    if (error instanceof BatchError) return error;
  }
  throw new Error('the header was not refused');
}

describe('a header', () => {
  it.each([
    ['in order', 'sepal_length,sepal_width,petal_length\n', [0, 1, 2]],
    ['in another order', 'petal_length,sepal_length,sepal_width\n', [2, 0, 1]],
    ['with an id', 'sepal_length,id,sepal_width,petal_length\n', [0, 'id', 1, 2]],
    ['with CRLF', 'sepal_length,sepal_width,petal_length\r\n', [0, 1, 2]],
    ['without a line end', 'sepal_length,sepal_width,petal_length', [0, 1, 2]],
    ['with a byte order mark', '\uFEFFsepal_length,sepal_width,petal_length\n', [0, 1, 2]],
    ['with blanks around the names', ' sepal_length , sepal_width,\tpetal_length \n', [0, 1, 2]],
    ['in quotes', '"sepal_length","sepal_width","petal_length"\r\n', [0, 1, 2]],
    [
      'in quotes behind a byte order mark',
      '\uFEFF"sepal_length",id,"sepal_width",petal_length',
      [0, 'id', 1, 2],
    ],
    ['behind blank lines', '\n \r\nsepal_length,sepal_width,petal_length\n', [0, 1, 2]],
  ])('%s names the columns', (_, header, columns) => {
    expect(parseHeader(utf8(header), IRIS)).toEqual(columns);
  });

  it('may name features that hold commas, quotes and line feeds', () => {
    const manifest = manifestOf('a,b', 'c"d', 'e\nf');
    expect(parseHeader(utf8('"c""d","e\nf","a,b"\n'), manifest)).toEqual([1, 2, 0]);
  });

  it('names the feature when a feature is called id', () => {
    expect(parseHeader(utf8('x,id'), manifestOf('id', 'x'))).toEqual([1, 0]);
  });

  it('takes feature names that objects inherit', () => {
    const manifest = manifestOf('__proto__', 'constructor');
    expect(parseHeader(utf8('constructor,__proto__'), manifest)).toEqual([1, 0]);
    expect(refusal(utf8('constructor,toString'), manifest).code).toBe('unknown_column');
  });
});

describe('a header is refused', () => {
  it.each([
    ['"sepal_length,sepal_width', 'malformed_header', 'the header line has broken quotes'],
    ['sepal"_length,sepal_width', 'malformed_header', 'the header line has broken quotes'],
    [
      'sepal_length,sepal_width, sepal_length,petal_length',
      'duplicate_column',
      'the header names the column "sepal_length" twice',
    ],
    [
      'id,sepal_length,sepal_width,petal_length,id',
      'duplicate_column',
      'the header names the column "id" twice',
    ],
    [
      'sepal_lenght,sepal_width,petal_length',
      'unknown_column',
      'the model has no feature "sepal_lenght"; did you mean "sepal_length"?',
    ],
    [
      'sepal_length,sepal_width,petal_length,sepal_widht',
      'unknown_column',
      'the model has no feature "sepal_widht"',
    ],
    ['sepal_length,sepal_width,petal_length,', 'unknown_column', 'the model has no feature ""'],
    ['5.1,3.5,1.4', 'unknown_column', 'the model has no feature "5.1"'],
    [
      'Sepal_Length,sepal_width,petal_length',
      'unknown_column',
      'the model has no feature "Sepal_Length"; did you mean "sepal_length"?',
    ],
    ['sepal_length,petal_length', 'missing_column', 'the header lacks "sepal_width"'],
    ['id,sepal_length', 'missing_column', 'the header lacks "sepal_width", "petal_length"'],
  ])('%j', (header, code, message) => {
    expect(refusal(utf8(header))).toMatchObject({ code, message });
  });

  it('with the features that the model has', () => {
    const features = ['sepal_length', 'sepal_width', 'petal_length'];
    expect(refusal(utf8('a')).details).toEqual({ features });
    expect(refusal(utf8('sepal_length')).details).toEqual({ features });
  });

  it('when it is not UTF-8', () => {
    expect(refusal(Uint8Array.of(0x61, 0xff, 0x0a))).toMatchObject({
      code: 'malformed_header',
      message: 'the header line is not UTF-8',
    });
  });

  it('in a moment, with the first of the columns that it lacks, however many they are', {
    timeout: 5_000,
  }, () => {
    const lacks = (manifest: typeof IRIS, header: string) => refusal(utf8(header), manifest).message;
    const wide = manifestOf(...Array.from({ length: 10_000 }, (_, index) => `f${index}`));
    expect(lacks(wide, 'f0')).toMatch(/^the header lacks "f1", "f2", .*, "f20" and 9979 more$/);
    const long = manifestOf({ name: 'v', type: 'vector', length: 200_000 });
    expect(lacks(long, 'v.0')).toMatch(/^the header lacks "v\.1", .*, "v\.20" and 199979 more$/);
  });

  it('in a moment however many columns it has', { timeout: 5_000 }, () => {
    const names = Array.from({ length: 150_000 }, (_, index) => `c${index}`);
    expect(refusal(utf8(names.join())).code).toBe('unknown_column');
  });
});
