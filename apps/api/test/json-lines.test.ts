import { BatchError } from '@millrace/batch/errors';
import { decodeChunk } from '@millrace/batch/rows/decode-chunk';
import { linesOfList } from '@millrace/batch/rows/list-lines';
import { RowReader } from '@millrace/batch/rows/row-reader';
import { validateRows } from '@millrace/batch/rows/validate-rows';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { anyNdjson } from '../../../packages/batch/test/any-chunk.js';
import { split } from '../../../packages/batch/test/byte-pieces.js';
import { manifestOf } from '../../../packages/batch/test/manifest-of.js';
import { valuesOf } from '../../../packages/batch/test/row-values.js';
import { openJsonBody, parseJsonBody, toLines } from '../dist/submit/json-body.js';

const MAX_BYTES = 1e6;
const READER = new RowReader(manifestOf('x', 'y'));

/** Options and lines of a body by its bytes; undefined when it has to be parsed. */
function asSent(body: Buffer, reader: RowReader) {
  const opened = openJsonBody(Buffer.from(body));
  const lines = opened && linesOfList(opened.list, reader, MAX_BYTES);
  return lines && { options: opened.options, lines };
}

/** The same of a body that is parsed; undefined when it is refused. */
function parsed(body: Buffer, reader: RowReader) {
  try {
    const { rows, options, pointer } = parseJsonBody(body);
    validateRows(rows, reader, pointer);
    return { options, lines: toLines(rows) };
  } catch (error) {
    if (error instanceof BatchError) return undefined;
    throw error;
  }
}

/** What the worker makes of lines. */
function decoded(bytes: Uint8Array, reader: RowReader) {
  const source = { format: 'ndjson', bytes, firstRow: 0 } as const;
  const rows = split([bytes], source).reduce((sum, chunk) => sum + chunk.rows, 0);
  const { inputs, valid, ...rest } = decodeChunk({ ...source, rows }, reader);
  const values = Array.from(valid, (_, row) => inputs.map((input) => valuesOf(input, row)));
  return { ...rest, valid: [...valid], values };
}

/** What is chosen most of the time, so that not every body is odd in some way. */
const mostly = <T>(usual: T, ...odd: T[]) =>
  fc.oneof({ weight: 4, arbitrary: fc.constant(usual) }, fc.constantFrom(...odd));

const ODD_MEMBERS = [
  ...[
    '"model":"a[b]"',
    '"model":"\\"inputs\\":[1]"',
    '"on_invalid":1',
    '"x":[]',
    '"x":{"inputs":[1]}',
    '"x":1',
  ],
  ...['"inputs":[]', '"inputs":[1]', '"\\u0069nputs":[2]', '"inputs":"[]"', '""'],
];
const anyMember = fc.constantFrom<string[]>(
  '"model":"m"',
  '"model": "é"',
  '"on_invalid":"report"',
  '"expires_in":5',
);

const anyBlank = fc.constantFrom('', ' ', '\n', ' \t\r\n ');
const anyBody = fc
  .record({
    chunk: anyNdjson,
    /** Few rows are more often alike. */
    rows: fc.constantFrom(1, 2, 3, 40),
    blanks: fc.tuple(anyBlank, anyBlank),
    options: fc.option(fc.array(anyMember, { maxLength: 2 })),
    odd: mostly(undefined, ...ODD_MEMBERS),
    place: fc.nat(2),
    key: mostly('"inputs"', '"\\u0069nputs"', '"x"'),
    ends: mostly(['', ''], ['\n', ' '], ['\uFEFF', ''], ['', 'x'], ['', ']'], ['[', '']),
  })
  .map(({ chunk, rows, blanks: [left, right], options, odd, place, key, ends: [head, tail] }) => {
    const lines = Buffer.from(chunk.source.bytes)
      .toString('latin1')
      .split('\n')
      .filter(Boolean)
      .slice(0, rows);
    const list = Buffer.from(`[${left}${lines.join(`${left},${right}`)}${right}]`, 'latin1');
    const members = options?.toSpliced(place, 0, `${key}:${right}@`) ?? [];
    if (odd !== undefined) members.push(odd);
    const [before = '', after = ''] = (options === null ? '@' : `{${members.join(`${left},`)}}`).split('@');
    const body = Buffer.concat([Buffer.from(head + before), list, Buffer.from(after + tail)]);
    return { manifest: chunk.manifest, body };
  });

describe('a JSON body', () => {
  it('comes to the same, whether its rows stay as they were sent or are parsed', () => {
    let sent = 0;
    fc.assert(
      fc.property(anyBody, ({ manifest, body }) => {
        const reader = new RowReader(manifest);
        const found = asSent(body, reader);
        if (found === undefined) return;
        sent++;
        const expected = parsed(body, reader);
        expect(found.options).toEqual(expected?.options);
        expect(decoded(found.lines, reader)).toEqual(expected && decoded(expected.lines, reader));
      }),
      { numRuns: 800 },
    );
    expect(sent).toBeGreaterThan(20);
  });

  it.each([
    ['[[1,2],[3,4]]', {}],
    ['{"inputs":[[1,2],[3,4]]}', {}],
    ['\uFEFF { "model" : "iris", "inputs" : [\n[1,2],\n[3,4]\n]\n}\n', { model: 'iris' }],
    [
      '{"inputs":[[1,2],[3,4]],"on_invalid":"report","expires_in":5}',
      { on_invalid: 'report', expires_in: 5 },
    ],
    ['{"inputs":"none","\\u0069nputs":[[1,2],[3,4]]}', {}],
  ])('%j keeps its rows as they were sent', (text, options) => {
    const found = asSent(Buffer.from(text), READER);
    expect(found?.options).toEqual(options);
    expect(decoded(found?.lines ?? Buffer.of(), READER).values).toEqual([[[1, 2]], [[3, 4]]]);
  });

  it.each([
    '{"inputs":[[1,2]],"inputs":[]}',
    '{"inputs":[[1,2]],"inputs":[[3,4]]}',
    '{"inputs":[[1,2]],"inputs":1}',
    '{"inputs":[[1,2]],"model":"a]"}',
    '{"model":"a[","inputs":[[1,2]]}',
    '{"x":[[1,2]]}',
    '{"x":{"inputs":[[1,2]]}}',
    '{"inputs":[[1,2]],"x":1}',
    '{"inputs":[[1,2]]',
    '[[1,2]]x',
    '][',
    '1',
    '',
  ])('%j is parsed', (text) => {
    expect(asSent(Buffer.from(text), READER)).toBeUndefined();
  });

  it.each([']', '][', `[[1,2]]${' '.repeat(5_000)}`])(
    '%#: without brackets, or with much around them, too',
    (text) => {
      expect(openJsonBody(Buffer.from(text))).toBeUndefined();
    },
  );
});
