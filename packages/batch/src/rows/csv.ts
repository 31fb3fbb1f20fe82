/** CSV by RFC 4180: the header line, and the fields of one record. */
import { didYouMean } from '../did-you-mean.js';
import { BatchError } from '../errors.js';
import type { Manifest } from '../manifest.js';
import { type CsvColumn, ID_KEY } from './row-reader.js';

/** The fields of one record without its line end; undefined when its quoting is broken. */
export function parseRecord(record: string): string[] | undefined {
  if (!record.includes('"')) return record.split(',');
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
    if (at === record.length) return fields;
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
  const names = parseRecord(record)?.map((name) => name.trim());
  if (names === undefined) throw new BatchError('malformed_header', 'the header line has broken quotes');
  const features = manifest.features.map((feature) => feature.name);
  const seen = new Set<string>();
  for (const name of names) {
    if (seen.has(name)) {
      throw new BatchError('duplicate_column', `the header names the column "${name}" twice`);
    }
    seen.add(name);
  }
  const missing = features.filter((feature) => !seen.has(feature));
  const columns = names.map((name): CsvColumn => {
    const index = features.indexOf(name);
    if (index !== -1) return index;
    if (name === ID_KEY) return ID_KEY;
    throw new BatchError('unknown_column', `the model has no feature "${name}"${didYouMean(name, missing)}`, {
      features,
    });
  });
  if (missing.length > 0) {
    throw new BatchError(
      'missing_column',
      `the header lacks ${missing.map((name) => `"${name}"`).join(', ')}`,
      {
        features,
      },
    );
  }
  return columns;
}

function decodeHeader(header: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(header);
  } catch (cause) {
    throw new BatchError('malformed_header', 'the header line is not UTF-8', {}, { cause });
  }
}
