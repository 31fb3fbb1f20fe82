import type { Manifest } from '@millrace/batch/manifest/manifest';
import { parseHeader } from '@millrace/batch/rows/csv';
import {
  type ChunkSource,
  type DecodedChunk,
  decodeChunk,
  parseChunk,
} from '@millrace/batch/rows/decode-chunk';
import { RowReader } from '@millrace/batch/rows/row-reader';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { anyCase, manifestOfModel } from './any-model.js';
import { split, utf8 } from './byte-pieces.js';
import { rowShape, valuesOf } from './row-values.js';

/** All that a chunk came to. */
function contentOf({ inputs, ...rest }: DecodedChunk) {
  const values = Array.from(rest.valid, (_, row) =>
    inputs.map((input) => ({ shape: rowShape(input, row), values: valuesOf(input, row) })),
  );
  return { ...rest, values };
}

/** The chunk is the same whether its records are read by their layout or parsed. */
function expectAgreement(manifest: Manifest, source: Omit<ChunkSource, 'rows'>): DecodedChunk {
  const reader = new RowReader(manifest);
  const rows = split([source.bytes], source).reduce((sum, chunk) => sum + chunk.rows, 0);
  const decoded = decodeChunk({ ...source, rows }, reader);
  expect(contentOf(decoded)).toEqual(contentOf(parseChunk({ ...source, rows }, reader)));
  return decoded;
}

/** How a program writes JSON: what stands around colons, commas and brackets, and at the end of a line. */
const anyStyle = fc.record({
  colon: fc.constantFrom(':', ': ', ' :\t'),
  comma: fc.constantFrom(',', ', ', ' , '),
  open: fc.constantFrom('', ' '),
  lineEnd: fc.constantFrom('\n', '\r\n', ' \n', '\n\n'),
  isEscaped: fc.boolean(),
});
type Style = typeof anyStyle extends fc.Arbitrary<infer T> ? T : never;

/** A key as `json.dumps` spells it, or as `JSON.stringify` does. */
const keyText = (name: string, { isEscaped }: Style) =>
  isEscaped
    ? JSON.stringify(name).replace(
        /[^\0-\x7f]/g,
        (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
      )
    : JSON.stringify(name);

const objectText = (members: [name: string, text: string][], style: Style) =>
  `${style.open}{${style.open}${members
    .map(([name, text]) => keyText(name, style) + style.colon + text)
    .join(style.comma)}${style.open}}`;

/** Values that are wrong, or spelled otherwise than most. */
const ODD = [
  'null',
  'true',
  'false',
  '""',
  '"a"',
  '"\\u0061"',
  '"é"',
  '"\\ud800"',
  '"1"',
  '"9007199254740993"',
  '[]',
  '[1]',
  '[[1]]',
  '{}',
  '{"a":1}',
  '-0',
  '0',
  '01',
  '+1',
  '1.',
  '.5',
  '1.0',
  '1e0',
  '10E-1',
  '0.1e1',
  '1e',
  '1E400',
  '-1e400',
  '5e-324',
  '1e-400',
  '16777217',
  '3.4028235e38',
  '3.5e38',
  '65519.99',
  '65520',
  '2147483648',
  '9007199254740991',
  '9007199254740993',
  '9223372036854775808',
  `0.${'3'.repeat(40)}`,
  `1${'0'.repeat(400)}`,
  'NaN',
  '1 ',
  ' 1',
  '1,',
  '1\t',
];
const anyOdd = fc.constantFrom(...ODD);

const anyId = fc.oneof(
  fc.integer().map(String),
  fc.stringMatching(/^[ -~]{0,6}$/).map((text) => JSON.stringify(text)),
  fc.constantFrom(
    'null',
    '1.5',
    '""',
    '"é"',
    '"\\n"',
    '9007199254740992',
    'true',
    '[1]',
    `"${'a'.repeat(257)}"`,
  ),
);

/** What becomes of one byte of a chunk. */
const anyEdit = fc.record({
  at: fc.double({ min: 0, max: 1, noNaN: true }),
  removed: fc.nat(2),
  added: fc.oneof(
    fc.constantFrom(
      ...[
        '0',
        '1',
        '.',
        '-',
        'e',
        ',',
        '"',
        '\\',
        ' ',
        '\r',
        '\n',
        '\t',
        '{',
        '}',
        '[',
        ']',
        ':',
        '\uFEFF',
        'é',
        '\0',
        '""',
        '5,5',
        '"id":1,',
      ].map(utf8),
    ),
    fc.uint8Array({ maxLength: 2 }),
  ),
});

function edited(
  bytes: Uint8Array,
  edits: (typeof anyEdit extends fc.Arbitrary<infer T> ? T : never)[],
): Uint8Array {
  return edits.reduce((before, { at, removed, added }) => {
    const place = Math.floor(at * before.length);
    return Uint8Array.from([...before.subarray(0, place), ...added, ...before.subarray(place + removed)]);
  }, bytes);
}

/** Rows of a model as one program writes them, a few of them odd, and a few bytes of them edited. */
const anyChunk = anyCase.chain(({ model, rows }) => {
  const { features } = manifestOfModel(model);
  const names = model.flatMap((input) => input.features.map(({ name }) => name));
  const repeated = fc.array(fc.constantFrom(...rows.map(({ values }) => values.map(({ text }) => text))), {
    minLength: 2,
    maxLength: 12,
  });
  return fc.record({
    manifest: fc.constant(manifestOfModel(model)),
    rows: repeated.map((each) =>
      each.map((texts) => new Map(texts.map((text, at) => [names[at] as string, text]))),
    ),
    order: fc.shuffledSubarray(
      features.map(({ name }) => name),
      { minLength: features.length },
    ),
    form: fc.constantFrom('object', 'array', 'mixed'),
    style: anyStyle,
    ids: fc.option(fc.record({ usual: anyId, odd: anyId, place: fc.nat(features.length) })),
    odd: fc.array(fc.record({ row: fc.nat(11), feature: fc.nat(features.length - 1), text: anyOdd }), {
      maxLength: 2,
    }),
    edits: fc.oneof(fc.constant([]), fc.array(anyEdit, { maxLength: 3 })),
    firstRow: fc.constantFrom(0, 7),
  });
});
type AnyChunk = typeof anyChunk extends fc.Arbitrary<infer T> ? T : never;

function withOdd({ rows, odd, order }: AnyChunk): Map<string, string>[] {
  return rows.map((row, at) => {
    const mine = odd.filter(({ row: number }) => number === at);
    return new Map([...row, ...mine.map(({ feature, text }) => [order[feature] as string, text] as const)]);
  });
}

function ndjsonOf(chunk: AnyChunk): Uint8Array {
  const { manifest, order, form, style, ids, edits } = chunk;
  const lines = withOdd(chunk).map((row, at) => {
    if (form === 'array' || (form === 'mixed' && at % 3 === 0)) {
      return `${style.open}[${manifest.features.map(({ name }) => row.get(name)).join(style.comma)}]`;
    }
    const members = order.map((name): [string, string] => [name, row.get(name) as string]);
    if (ids !== null && !row.has('id'))
      members.splice(ids.place, 0, ['id', at % 4 === 3 ? ids.odd : ids.usual]);
    return objectText(members, style);
  });
  return edited(utf8(lines.join(style.lineEnd) + style.lineEnd), edits);
}

/** JSON strings without their quotes; what has a comma or a quote gets those of CSV. */
function csvField(json: string): string {
  const text = /^".*"$/.test(json) && !json.includes('\\') ? json.slice(1, -1) : json;
  return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

function csvOf(chunk: AnyChunk) {
  const { manifest, order, style, ids, edits } = chunk;
  const hasId = ids !== null && !order.includes('id');
  const names = [...(hasId ? ['id'] : []), ...order];
  const records = withOdd(chunk).map((row, at) => {
    const id = hasId ? [at % 4 === 3 ? ids.odd : ids.usual] : [];
    return [...id, ...order.map((name) => row.get(name) as string)].map(csvField).join(',');
  });
  const header = names.map((name) => `"${name.replaceAll('"', '""')}"`).join(',');
  const bytes = edited(utf8(records.join(style.lineEnd) + style.lineEnd), edits);
  return { bytes, columns: parseHeader(utf8(header), manifest) };
}

describe('records that are read by their layout are as if they were parsed', () => {
  it('of any model, in NDJSON', () => {
    fc.assert(
      fc.property(anyChunk, (chunk) => {
        const { manifest, firstRow } = chunk;
        expectAgreement(manifest, { format: 'ndjson', bytes: ndjsonOf(chunk), firstRow });
      }),
      { numRuns: 1500 },
    );
  });

  it('of any model, in CSV', () => {
    fc.assert(
      fc.property(anyChunk, (chunk) => {
        const { manifest, firstRow } = chunk;
        expectAgreement(manifest, { format: 'csv', ...csvOf(chunk), firstRow });
      }),
      { numRuns: 1500 },
    );
  });
});
