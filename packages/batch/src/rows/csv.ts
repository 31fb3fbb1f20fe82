/** CSV by RFC 4180: the header line, and the fields of one record. */
import { didYouMean } from '../did-you-mean.js';
import { BatchError } from '../errors.js';
import type { Manifest } from '../manifest/manifest.js';
import { shorten } from './describe.js';
import { type CsvColumn, ID_KEY } from './row-reader.js';

/** Columns named in an error: a vector may lack as many as it has values. */
const MISSING_SHOWN = 20;

/**
 * The fields of one record without its line end; undefined when its quoting is broken.
 * @param most fields behind which nothing is read any more
 */
export function parseRecord(record: string, most?: number): string[] | undefined {
  if (!record.includes('"')) return record.split(',', most);
  const fields: string[] = [];
  let at = 0;
  for (;;) {
    if (record[at] === '"') {
      let value = '';
      for (;;) {
        const close = record.indexOf('"', at + 1);
        if (close === -1) return undefined;
        value += record.slice(at + 1, close);
        at = close + 1;
        if (record[at] !== '"') break;
        value += '"';
      }
      fields.push(value);
    } else {
      const comma = record.indexOf(',', at);
      const value = comma === -1 ? record.slice(at) : record.slice(at, comma);
      if (value.includes('"')) return undefined;
      fields.push(value);
      at += value.length;
    }
    if (at === record.length || fields.length === most) return fields;
    if (record[at] !== ',') return undefined;
    at++;
  }
}

/** A record without its line end. */
export function withoutLineEnd(record: string): string {
  if (record.endsWith('\r\n')) return record.slice(0, -2);
  return record.endsWith('\n') || record.endsWith('\r') ? record.slice(0, -1) : record;
}

/**
 * Which feature each column holds.
 * @throws BatchError `malformed_header`, `duplicate_column`, `unknown_column`, `missing_column`
 */
export function parseHeader(header: Uint8Array, manifest: Manifest): CsvColumn[] {
  const record = withoutLineEnd(decodeHeader(header).trimStart());
  const known = new Set(manifest.features.map((feature) => feature.name));
  const names = parseRecord(record, columnsMax(manifest) + 1)?.map((name) =>
    known.has(name) ? name : name.trim(),
  );
  if (names === undefined) throw new BatchError('malformed_header', 'the header line has broken quotes');
  return columnsOf(names, manifest, 'the header');
}

/**
 * Which feature each column holds, by the names of the columns.
 * @param where these are, in words
 * @throws BatchError `duplicate_column`, `unknown_column`, `missing_column`
 */
export function columnsOf(given: readonly string[], manifest: Manifest, where: string): CsvColumn[] {
  // Of more columns than there can be, one is unknown or there twice.
  const names = given.slice(0, columnsMax(manifest) + 1);
  const seen = new Set<string>();
  for (const name of names) {
    if (seen.has(name)) {
      throw new BatchError('duplicate_column', `${where} names the column "${shorten(name)}" twice`);
    }
    seen.add(name);
  }
  const { columns: offered, absent } = knownColumns(manifest, seen);
  const features = manifest.features.map((feature) => feature.name);
  const columns = names.map((name): CsvColumn => {
    const column = offered.get(name);
    if (column !== undefined) return column;
    if (name === ID_KEY) return ID_KEY;
    throw new BatchError(
      'unknown_column',
      `the model has no feature "${shorten(name)}"${didYouMean(name, absent)}`,
      {
        features,
      },
    );
  });
  const optional = namesOfOptional(manifest);
  const missing = absent.filter((name) => !optional.has(name));
  if (missing.length > 0) {
    const shown = missing.slice(0, MISSING_SHOWN).map((name) => `"${name}"`);
    const rest = missing.length - shown.length;
    const list = shown.join(', ') + (rest > 0 ? ` and ${rest} more` : '');
    throw new BatchError('missing_column', `${where} lacks ${list}`, { features });
  }
  return columns;
}

/**
 * Every column that a file may have, and the names of those that it has not. A vector has one column that spells it in
 * JSON, or as many as it has values: `v.0`, `v.1`, ….
 */
function knownColumns({ features }: Manifest, seen: ReadonlySet<string>) {
  const columns = new Map<string, CsvColumn>(features.map(({ name }, index) => [name, index]));
  const absent: string[] = [];
  features.forEach((feature, index) => {
    const { name } = feature;
    if (seen.has(name)) return;
    if (feature.type !== 'vector' || !seen.has(`${name}.0`) || columns.has(`${name}.0`)) {
      absent.push(name);
      return;
    }
    for (let at = 0; at < feature.length; at++) {
      columns.set(`${name}.${at}`, [index, at]);
      if (!seen.has(`${name}.${at}`)) absent.push(`${name}.${at}`);
    }
  });
  return { columns, absent };
}

/** With all vectors spread out, and an id. */
function columnsMax({ features }: Manifest): number {
  return features.reduce((sum, each) => sum + (each.type === 'vector' ? each.length : 1), 1);
}

/** The columns that need not be there: their features have a default. */
function namesOfOptional({ features }: Manifest): ReadonlySet<string> {
  const optional = features.filter((feature) => 'default' in feature && feature.default !== undefined);
  return new Set(optional.map(({ name }) => name));
}

function decodeHeader(header: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(header);
  } catch (cause) {
    throw new BatchError('malformed_header', 'the header line is not UTF-8', {}, { cause });
  }
}
