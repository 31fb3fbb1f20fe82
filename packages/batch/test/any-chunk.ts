/** Chunks as one program writes them, of rows of any model: a few values are odd, a few bytes edited. */

import type { Manifest } from '@millrace/batch/manifest/manifest';
import type { ChunkSource } from '@millrace/batch/rows/chunk-rows';
import { parseHeader } from '@millrace/batch/rows/csv';
import fc from 'fast-check';
import { anyCase, type Model, manifestOfModel } from './any-model.js';
import { utf8 } from './byte-pieces.js';

/** A value by feature, as JSON text. */
type Row = ReadonlyMap<string, string>;

/** What is usual, most of the time: a chunk that is odd in many ways has no row that its layout reads. */
const mostly = <T, U>(usual: fc.Arbitrary<T>, odd: fc.Arbitrary<U>) =>
  fc.oneof({ weight: 5, arbitrary: usual }, { weight: 1, arbitrary: odd });

/** What stands around colons, commas and brackets, within vectors, and at the end of a line. */
const anyStyle = fc.record({
  colon: fc.constantFrom(':', ': ', ' :\t'),
  comma: fc.constantFrom(',', ', ', ' , '),
  open: fc.constantFrom('', ' '),
  inner: fc.constantFrom([','], [', '], [',', ' ,', ',']),
  lineEnd: mostly(fc.constantFrom('\n', '\r\n'), fc.constantFrom(' \n', '\n\n', '\r\r\n')),
  isEscaped: fc.boolean(),
});
type Style = typeof anyStyle extends fc.Arbitrary<infer T> ? T : never;

/** Values that are wrong, or spelled otherwise than most. */
const ODD = [
  ...['null', 'true', 'false', '[]', '[1]', '[[1]]', '{}', '{"a":1}', '{"b":0}', 'NaN'],
  ...['""', '" "', '"a"', '"\\u0061"', '"é"', '"\\ud800"', '"1"', '"9007199254740993"', '"true"', '"null"'],
  ...[
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
  ],
  ...['16777217', '3.4028235e38', '3.5e38', '65519.99', '65520', '2147483648', `0.${'3'.repeat(40)}`],
  ...['9007199254740991', '9007199254740993', '9223372036854775808', `1${'0'.repeat(400)}`],
  ...[' ', '1 ', ' 1', '1,', '1\t'],
];
const anyOdd = fc.constantFrom(...ODD);

const anyId = mostly(
  fc.oneof(
    fc.integer().map(String),
    fc.stringMatching(/^[ -~]{0,6}$/).map((text) => JSON.stringify(text)),
  ),
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

const ADDED = [...'01.-e,"\\ \r\n\t{}[]:\uFEFFé\0', '""', '5,5', '"id":1,'];
/** What becomes of the bytes at some place. */
const anyEdit = fc.record({
  at: fc.double({ min: 0, max: 1, noNaN: true }),
  removed: fc.nat(2),
  added: fc.oneof(fc.constantFrom(...ADDED).map(utf8), fc.uint8Array({ maxLength: 2 })),
});
type Edit = typeof anyEdit extends fc.Arbitrary<infer T> ? T : never;

/** Some of the single features get a default. */
function withDefaults(model: Model, chosen: readonly boolean[]): Model {
  let next = 0;
  const fallback = { float: 0.5, int: 1, bool: true, string: 'd' };
  return model.map((input) => ({
    ...input,
    features: input.features.map((feature) => {
      const { type, values } = feature.file as { type: string; values?: unknown[] };
      const value = values?.[0] ?? fallback[type as keyof typeof fallback];
      if (value === undefined || !chosen[next++ % chosen.length]) return feature;
      return { ...feature, file: { ...feature.file, default: value } };
    }),
  }));
}

const casesOf = (isUsual: (feature: Model[number]['features'][number]) => boolean) =>
  anyCase.filter(({ model }) => model.every(({ features }) => features.every(isUsual)));
/** Rows of open size have no layout; in CSV, those with tensors have none either. */
const anyUsualCase = fc.oneof(
  casesOf(({ isOpen }) => !isOpen),
  casesOf(({ file }) => file.type !== 'tensor'),
);

const anyChunk = fc
  .tuple(mostly(anyUsualCase, anyCase), fc.array(fc.boolean(), { minLength: 1, maxLength: 3 }))
  .chain(([{ model, rows }, chosen]) => {
    const manifest = manifestOfModel(withDefaults(model, chosen));
    const names = model.flatMap((input) => input.features.map(({ name }) => name));
    const kinds = rows.map(
      ({ values }) => new Map(values.map(({ text }, at) => [names[at] as string, text])),
    );
    const anyName = fc.constantFrom(...names);
    return fc.record({
      manifest: fc.constant(manifest),
      rows: fc.array(fc.constantFrom<Row[]>(...kinds), { minLength: 2, maxLength: 40, size: 'max' }),
      /** What is left out here is in no object, and in no record of CSV if it has a default. */
      order: mostly(
        fc.shuffledSubarray(names, { minLength: names.length }),
        fc.shuffledSubarray(names, { minLength: Math.max(1, names.length - 1) }),
      ),
      form: fc.constantFrom('object', 'array', 'mixed'),
      style: anyStyle,
      isSpread: mostly(fc.constant(true), fc.constant(false)),
      ids: fc.option(fc.record({ usual: anyId, odd: anyId, place: fc.nat(names.length) })),
      odd: fc.array(fc.record({ row: fc.nat(39), name: anyName, text: anyOdd }), { maxLength: 2 }),
      /** A member that comes once more in every row, before all others. */
      again: mostly(
        fc.constant(null),
        fc.tuple(
          anyName,
          fc.oneof(
            anyOdd,
            anyName.map((name) => `{${JSON.stringify(name)}:1}`),
          ),
        ),
      ),
      edits: fc.oneof(fc.constant([]), fc.array(anyEdit, { maxLength: 3 })),
      firstRow: fc.constantFrom(0, 7),
    });
  });
type AnyChunk = typeof anyChunk extends fc.Arbitrary<infer T> ? T : never;

export interface ManifestAndSource {
  manifest: Manifest;
  source: Omit<ChunkSource, 'rows'>;
}

export const anyNdjson: fc.Arbitrary<ManifestAndSource> = anyChunk.map((chunk) => {
  const { manifest, firstRow, edits } = chunk;
  return { manifest, source: { format: 'ndjson', bytes: edited(ndjsonOf(chunk), edits), firstRow } };
});

export const anyCsv: fc.Arbitrary<ManifestAndSource> = anyChunk.map((chunk) => {
  const { manifest, firstRow, edits } = chunk;
  const { header, records } = csvOf(chunk);
  const columns = parseHeader(utf8(header), manifest);
  return { manifest, source: { format: 'csv', bytes: edited(records, edits), columns, firstRow } };
});

function edited(bytes: Uint8Array, edits: readonly Edit[]): Uint8Array {
  return edits.reduce((before, { at, removed, added }) => {
    const place = Math.floor(at * before.length);
    return Uint8Array.from([...before.subarray(0, place), ...added, ...before.subarray(place + removed)]);
  }, bytes);
}

function withOdd({ rows, odd }: AnyChunk): Row[] {
  return rows.map((row, at) => {
    const mine = odd.filter(({ row: number }) => number === at);
    return new Map([...row, ...mine.map(({ name, text }) => [name, text] as const)]);
  });
}

function ndjsonOf(chunk: AnyChunk): Uint8Array {
  const { manifest, order, form, style, ids, again } = chunk;
  const lines = withOdd(chunk).map((row, at) => {
    if (form === 'array' || (form === 'mixed' && at % 3 === 0)) {
      const values = manifest.features.map(({ name }) => spaced(row.get(name) as string, style));
      return `${style.open}[${values.join(style.comma)}]`;
    }
    const members = order.map((name) => [name, spaced(row.get(name) as string, style)] as const);
    if (again !== null) members.unshift(again);
    if (ids !== null && !row.has('id'))
      members.splice(ids.place, 0, ['id', at % 4 === 3 ? ids.odd : ids.usual]);
    const texts = members.map(([name, text]) => keyText(name, style) + style.colon + text);
    return `${style.open}{${style.open}${texts.join(style.comma)}${style.open}}`;
  });
  return utf8(lines.join(style.lineEnd) + style.lineEnd);
}

/** A key as `JSON.stringify` spells it, or in ASCII. */
function keyText(name: string, { isEscaped }: Style): string {
  const text = JSON.stringify(name);
  if (!isEscaped) return text;
  return text.replace(/[^ -~]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** A value with the commas of the style, where it has no strings. */
function spaced(text: string, { inner }: Style): string {
  let next = 0;
  return text.includes('"') ? text : text.replaceAll(',', () => inner[next++ % inner.length] as string);
}

/** Vectors are spread out or spelled in JSON. */
function csvOf(chunk: AnyChunk) {
  const { manifest, order, style, ids, isSpread } = chunk;
  const byName = new Map(manifest.features.map((feature) => [feature.name, feature]));
  const optional = manifest.features.filter((feature) => 'default' in feature).map(({ name }) => name);
  const present = manifest.features
    .map(({ name }) => name)
    .filter((name) => !order.includes(name) && !optional.includes(name));
  const hasId = ids !== null && !byName.has('id');
  const columns = [...order, ...present].flatMap((name) => {
    const feature = byName.get(name);
    if (!isSpread || feature?.type !== 'vector') return [{ name, of: (row: Row) => row.get(name) as string }];
    return Array.from({ length: feature.length }, (_, at) => ({
      name: `${name}.${at}`,
      of: (row: Row) => elementText(row.get(name) as string, at),
    }));
  });
  // The order of their columns is that of no vector.
  columns.sort((a, b) => (isSpread && order.length % 2 === 0 ? b.name.localeCompare(a.name) : 0));
  const records = withOdd(chunk).map((row, at) => {
    const id = hasId ? [at % 4 === 3 ? ids.odd : ids.usual] : [];
    return [...id, ...columns.map(({ of }) => of(row))].map(csvField).join(',');
  });
  const header = [...(hasId ? ['id'] : []), ...columns.map(({ name }) => name)].map(quoted).join(',');
  return { header, records: utf8(records.join(style.lineEnd) + style.lineEnd) };
}

/** One value of a vector; of what is none, the whole. */
function elementText(text: string, at: number): string {
  try {
    return JSON.stringify((JSON.parse(text) as unknown[])[at]) ?? text;
  } catch {
    return text;
  }
}

/** JSON strings without their quotes; what has a comma or a quote gets those of CSV. */
function csvField(json: string): string {
  const text = /^".*"$/.test(json) && !json.includes('\\') ? json.slice(1, -1) : json;
  return /[",\n]/.test(text) ? quoted(text) : text;
}

function quoted(text: string): string {
  return `"${text.replaceAll('"', '""')}"`;
}
